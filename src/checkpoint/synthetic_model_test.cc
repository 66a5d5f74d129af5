#include "checkpoint/synthetic_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <map>
#include <numeric>

#include "base/file.h"
#include "checkpoint/layout.h"
#include "checkpoint/quantized_matrix.h"
#include "checkpoint/test_folder.h"
#include "checkpoint/weights.h"
#include "number/float16.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using testing::TestFolder;
using Method = std::optional<QuantizationMethod>;

constexpr Method kMethods[] = {std::nullopt, QuantizationMethod::awq, QuantizationMethod::gptq};
const std::function<bool()> kNeverStopped = [] { return false; };

ModelConfig config_of(const std::string& shape, Method method) {
  const auto config = parse_config(*synthetic_config(shape, method, 0), "config.json");
  if (!config) throw Fault(config.error().message());
  return *config;
}

std::size_t total_bytes(const std::vector<SyntheticTensor>& tensors) {
  std::size_t total = 0;
  for (const SyntheticTensor& tensor : tensors) total += size_in_bytes(tensor.entry);
  return total;
}

void write_tiny(const TestFolder& folder, Method method, Index shards, std::uint64_t seed, int threads) {
  folder.write("config.json", *synthetic_config("tiny", method, seed));
  const auto tensors = synthetic_tensors(config_of("tiny", method));
  ThreadPool pool(threads);
  const auto written = write_synthetic_weights(folder.path(), tensors, split_into_shards(tensors, shards),
                                               seed, pool, kNeverStopped);
  ASSERT_TRUE(written.ok()) << written.error().message();
}

TEST(SyntheticModel, OurReadersTakeIt) {
  for (const Method& method : kMethods) {
    for (const Index shards : {1, 3}) {
      const TestFolder folder;
      write_tiny(folder, method, shards, 5, 3);
      const auto config = read_config(folder.path());
      ASSERT_TRUE(config.ok()) << config.error().message();
      const auto weights = Weights::open(folder.path());
      ASSERT_TRUE(weights.ok()) << weights.error().message();
      EXPECT_EQ(weights->files().size(), static_cast<std::size_t>(shards));
      const auto layout = check_layout(*weights, *config);
      EXPECT_TRUE(layout.ok()) << layout.error().message();
      for (const LinearLayer& linear : decoder_linears(*config, 1)) {
        std::vector<std::uint16_t> values;
        if (method) {
          const auto matrix =
              read_quantized(*weights, *config->quantization, linear.name, linear.inputs, linear.outputs);
          ASSERT_TRUE(matrix.ok()) << matrix.error().message();
          values = *dequantize(*matrix, Dtype::fp16);
        } else {
          values =
              *weights->read_16bit(linear.name + ".weight", {linear.outputs, linear.inputs}, Dtype::fp16);
        }
        // Deviation 1/sqrt(K); of scales from 0.75 to 1.25 it is 1 % more, of zero points 8 and q - 8 1 %.
        double sum = 0;
        double squares = 0;
        for (const std::uint16_t bits : values) {
          sum += from_fp16(bits);
          squares += std::pow(from_fp16(bits), 2);
        }
        const double scale = std::sqrt(static_cast<double>(linear.inputs));
        const auto count = static_cast<double>(values.size());
        EXPECT_NEAR(std::sqrt(squares / count) * scale, 1, 0.04) << linear.name;
        EXPECT_NEAR(sum / count * scale, 0, 0.02) << linear.name;
      }
    }
  }
}

TEST(SyntheticModel, BytesDependOnTheSeedAlone) {
  const TestFolder one;
  const TestFolder many;
  const TestFolder other;
  write_tiny(one, QuantizationMethod::awq, 1, 7, 1);
  write_tiny(many, QuantizationMethod::awq, 4, 7, 4);
  write_tiny(other, QuantizationMethod::awq, 1, 8, 1);
  const auto a = Weights::open(one.path());
  const auto b = Weights::open(many.path());
  const auto c = Weights::open(other.path());
  std::map<std::string, int> alike;
  for (const auto& [name, tensor] : a->tensors()) {
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, (*b->find(name))->bytes)) << name;
    if (std::ranges::equal(tensor.bytes, (*c->find(name))->bytes)) ++alike[name.substr(name.rfind('.'))];
  }
  EXPECT_EQ(alike, (std::map<std::string, int>{{".weight", 9}})) << "norms only";
}

// Every piece has its own numbers: the tensor has 2 pieces, each of 2^20.
TEST(SyntheticModel, PiecesDiffer) {
  const TestFolder folder;
  const std::vector<SyntheticTensor> tensors = {{{"x", "F16", {2, 1 << 20}}, Fill::normal, 1},
                                                {{"g", "I32", {1 << 21}}, Fill::groups, 128}};
  ThreadPool pool(2);
  ASSERT_TRUE(
      write_synthetic_weights(folder.path(), tensors, split_into_shards(tensors, 1), 0, pool, kNeverStopped));
  const auto weights = Weights::open(folder.path());
  const auto bytes = (*weights->find("x"))->bytes;
  EXPECT_FALSE(std::ranges::equal(bytes.first(bytes.size() / 2), bytes.last(bytes.size() / 2)));
  const auto groups = *weights->read_int32("g", {1 << 21});
  for (std::size_t i = 0; i < groups.size(); i += 127) {
    ASSERT_EQ(groups[i], static_cast<std::int32_t>(i / 128));
  }
}

TEST(SyntheticModel, Qwen3Of8BillionHasItsSize) {
  const std::size_t ends = 2UL * 151936 * 4096 * 2;
  const std::size_t norms = 2 * (36UL * (2 * 4096 + 2 * 128) + 4096);
  const std::size_t linear = 36UL * 4096 * (6144 + 4096 + 24576 + 12288);
  const std::size_t scales = linear / 128 * 2;
  const std::size_t zeros = linear / 128 / 2;
  const std::size_t g_idx = 36UL * 4 * (6 * 4096 + 12288);
  const std::map<int, std::pair<std::size_t, std::size_t>> expected = {
      {0, {36 * 11 + 3, ends + norms + linear * 2}},
      {1, {36 * (4 + 21) + 3, ends + norms + linear / 2 + scales + zeros}},
      {2, {36 * (4 + 28) + 3, ends + norms + linear / 2 + scales + zeros + g_idx}}};
  for (const auto& [method, counts] : expected) {
    const ModelConfig config = config_of("qwen3-8b", kMethods[method]);
    EXPECT_EQ(config.context_length, 40960);
    EXPECT_EQ(config.heads, 32);
    EXPECT_EQ(config.kv_heads, 8);
    const auto tensors = synthetic_tensors(config);
    EXPECT_EQ(tensors.size(), counts.first);
    EXPECT_EQ(total_bytes(tensors), counts.second);
    const auto shards = split_into_shards(tensors, 7);
    std::vector<std::size_t> all;
    for (const auto& shard : shards) {
      std::size_t bytes = 0;
      for (const std::size_t t : shard) bytes += size_in_bytes(tensors[t].entry);
      EXPECT_LE(bytes, std::max<std::size_t>(151936UL * 4096 * 2, counts.second / 7 * 51 / 50));
      all.insert(all.end(), shard.begin(), shard.end());
    }
    std::sort(all.begin(), all.end());
    std::vector<std::size_t> each(tensors.size());
    std::iota(each.begin(), each.end(), 0U);
    EXPECT_EQ(all, each);
  }
}

TEST(SyntheticModel, TroubleIsAnError) {
  EXPECT_THAT(synthetic_config("huge", {}, 0).error().message(),
              HasSubstr("shape: expected tiny, small, qwen3-8b, found huge"));
  const TestFolder folder;
  const auto tensors = synthetic_tensors(config_of("tiny", {}));
  const auto shards = split_into_shards(tensors, 1);
  ThreadPool pool(2);
  std::atomic<int> asked = 0;
  const auto stopped = [&] { return ++asked > 3; };
  EXPECT_THAT(write_synthetic_weights(folder.path(), tensors, shards, 0, pool, stopped).error().message(),
              HasSubstr("found an interruption"));
  EXPECT_THAT(
      write_synthetic_weights(folder.path(), tensors, shards, 0, pool, kNeverStopped).error().message(),
      HasSubstr("model.safetensors: expected a new file"));
}

}  // namespace
}  // namespace assay
