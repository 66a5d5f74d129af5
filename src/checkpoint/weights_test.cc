#include "checkpoint/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <numeric>

#include "checkpoint/test_folder.h"
#include "number/float16.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ones;
using testing::safetensors_file;
using testing::safetensors_text;
using testing::TestFolder;
using testing::written;

std::vector<std::uint16_t> all_16bit() {
  std::vector<std::uint16_t> values(1 << 16);
  std::iota(values.begin(), values.end(), std::uint16_t{0});
  return values;
}

TEST(Weights, ReadsTheSingleFileWhateverItsName) {
  for (const char* name : {"model.safetensors", "gptq_model-4bit-128g.safetensors"}) {
    const TestFolder folder;
    folder.write(name, safetensors_file({ones("x", {2})}));
    const auto weights = Weights::open(folder.path());
    ASSERT_TRUE(weights.ok()) << weights.error().message();
    EXPECT_TRUE(weights->has("x"));
    EXPECT_THAT(*weights->read_16bit("x", {2}, Dtype::fp16), ElementsAre(0x3c00, 0x3c00));
    EXPECT_THAT(*weights->read_16bit("x", {2}, Dtype::bf16), ElementsAre(0x3f80, 0x3f80));
    EXPECT_THAT(*weights->read_fp32("x", {2}), ElementsAre(1.0F, 1.0F));
  }
}

TEST(Weights, AFolderWithoutOneFileIsAnError) {
  const TestFolder folder;
  EXPECT_THAT(Weights::open(folder.path()).error().message(), HasSubstr("found no *.safetensors file"));
  folder.write("a.safetensors", safetensors_text("{}", ""));
  folder.write("b.safetensors", safetensors_text("{}", ""));
  EXPECT_THAT(Weights::open(folder.path()).error().message(), HasSubstr("found 2 *.safetensors files"));
  EXPECT_FALSE(Weights::open(folder.path() / "nowhere").ok());
}

class Sharded : public ::testing::Test {
 protected:
  Sharded() {
    folder_.write("a.safetensors", safetensors_file({ones("x", {2})}));
    folder_.write("b.safetensors", safetensors_file({ones("y", {3}), ones("z", {1})}));
  }
  std::string error_of(std::string_view index) {
    folder_.write("model.safetensors.index.json", index);
    const auto weights = Weights::open(folder_.path());
    return weights ? "" : weights.error().message();
  }
  TestFolder folder_;
};

TEST_F(Sharded, ReadsAllShards) {
  EXPECT_EQ(error_of(R"({"metadata":{"total_size":12},
                         "weight_map":{"x":"a.safetensors","y":"b.safetensors","z":"b.safetensors"}})"),
            "");
  auto weights = Weights::open(folder_.path());
  const Weights moved = std::move(*weights);
  EXPECT_EQ(moved.files().size(), 2U);
  EXPECT_EQ(moved.read_fp32("y", {3})->size(), 3U);
  EXPECT_THAT((*moved.find("z"))->file, HasSubstr("b.safetensors"));
}

TEST_F(Sharded, AnIndexThatDisagreesWithItsShardsIsAnError) {
  const auto map = [](const std::string& entries) { return R"({"weight_map":{)" + entries + "}}"; };
  const std::string right = R"("x":"a.safetensors","y":"b.safetensors")";
  EXPECT_THAT(error_of(map(right + R"(,"z":"c.safetensors")")),
              AllOf(HasSubstr("c.safetensors: expected a shard"), HasSubstr("no such file")));
  EXPECT_THAT(error_of(map(right + R"(,"z":"b.safetensors","w":"b.safetensors")")),
              AllOf(HasSubstr("b.safetensors: w: expected a tensor"), HasSubstr("found nothing")));
  EXPECT_THAT(error_of(map(right)), HasSubstr("weight_map.z: expected b.safetensors, found nothing"));
  EXPECT_THAT(error_of(map(right + R"(,"z":"a.safetensors")")),
              HasSubstr("weight_map.z: expected b.safetensors"));
  EXPECT_THAT(error_of(map(right + R"(,"z":"../b.safetensors")")), HasSubstr("weight_map.z"));
  EXPECT_THAT(error_of(map(right + R"(,"z":"b.bin")")), HasSubstr("weight_map.z"));
  EXPECT_THAT(error_of(map(right + R"(,"z":7)")), HasSubstr("weight_map.z"));
  EXPECT_THAT(error_of(R"({"weight_map":[]})"), HasSubstr("weight_map: expected an object"));
  EXPECT_THAT(error_of(R"({"metadata":{}})"), HasSubstr("weight_map: expected an object, found nothing"));
  EXPECT_THAT(error_of(R"({"weight_map":{},"weight_mop":{}})"), HasSubstr("did you mean weight_map?"));
  folder_.write("a.safetensors", safetensors_file({ones("x", {2}), ones("y", {3})}));
  EXPECT_THAT(error_of(map(right + R"(,"z":"b.safetensors")")), HasSubstr("y: expected a tensor of its own"));
  folder_.write("model.safetensors", safetensors_file({ones("x", {2})}));
  EXPECT_THAT(error_of(map(right + R"(,"z":"b.safetensors")")),
              HasSubstr("model.safetensors, which is in the folder"));
}

class OneFile : public ::testing::Test {
 protected:
  Weights open(const testing::WrittenTensor& tensor) {
    // one byte before it, so that no tensor is aligned
    folder_.write("model.safetensors",
                  safetensors_file({written("pad", "U8", {1}, std::vector<std::uint8_t>{0}), tensor}));
    return std::move(*Weights::open(folder_.path()));
  }
  TestFolder folder_;
};

TEST_F(OneFile, EveryFiniteFp16AndBf16ReadsExactlyAndConvertsRounded) {
  for (const bool fp16 : {true, false}) {
    std::vector<std::uint16_t> finite;
    for (std::uint16_t bits : all_16bit()) {
      if (std::isfinite(fp16 ? from_fp16(bits) : from_bf16(bits))) finite.push_back(bits);
    }
    const auto count = static_cast<Index>(finite.size());
    const Weights weights = open(written("x", fp16 ? "F16" : "BF16", {count}, finite));
    EXPECT_EQ(*weights.read_16bit("x", {count}, fp16 ? Dtype::fp16 : Dtype::bf16), finite);
    const auto exact = *weights.read_fp32("x", {count});
    for (std::size_t i = 0; i < finite.size(); ++i) {
      ASSERT_EQ(exact[i], fp16 ? from_fp16(finite[i]) : from_bf16(finite[i]));
    }
    if (!fp16) continue;  // BF16 to FP16 overflows: the next test
    const auto rounded = *weights.read_16bit("x", {count}, Dtype::bf16);
    for (std::size_t i = 0; i < finite.size(); ++i) ASSERT_EQ(rounded[i], to_bf16(exact[i]));
  }
}

TEST_F(OneFile, ANumberThatIsNotFiniteIsNamedWithItsIndex) {
  for (const float bad : {NAN, -INFINITY}) {
    std::vector<float> values(6, 1.0F);
    values[4] = bad;
    const Weights weights = open(written("x", "F32", {2, 3}, values));
    EXPECT_THAT(weights.read_fp32("x", {2, 3}).error().message(),
                AllOf(HasSubstr("model.safetensors: x[1, 1]: expected a finite value"),
                      HasSubstr(std::isnan(bad) ? "found nan" : "found -inf")));
    EXPECT_FALSE(weights.read_16bit("x", {2, 3}, Dtype::bf16).ok());
  }
  for (std::uint16_t bits : all_16bit()) {
    if (std::isfinite(from_fp16(bits))) continue;
    if (bits % 97 != 0 && bits != 0x7c00 && bits != 0xfc00)
      continue;  // a file for each: a sample of the NaNs
    ASSERT_FALSE(open(written("x", "F16", {1}, std::vector{bits})).read_fp32("x", {1}).ok()) << bits;
  }
}

TEST_F(OneFile, AValueBeyondTheTargetIsAnError) {
  const Weights weights = open(written("x", "F32", {2}, std::vector<float>{65519.0F, 65520.0F}));
  EXPECT_TRUE(weights.read_16bit("x", {2}, Dtype::bf16).ok());
  EXPECT_THAT(weights.read_16bit("x", {2}, Dtype::fp16).error().message(),
              AllOf(HasSubstr("x[1]: expected a finite value that fits float16"), HasSubstr("65520")));
}

TEST_F(OneFile, PiecesAreTheWhole) {
  std::vector<std::uint16_t> values = all_16bit();
  for (std::uint16_t& bits : values) bits &= 0x3fff;  // finite in both types
  const auto count = static_cast<Index>(values.size());
  for (const char* dtype : {"F16", "BF16"}) {
    const Weights weights = open(written("x", dtype, {256, count / 256}, values));
    for (const Dtype target : {Dtype::fp16, Dtype::bf16}) {
      const auto tensor = weights.find_16bit("x", {256, count / 256}, target);
      ASSERT_EQ(tensor->size(), count);
      std::vector<std::uint16_t> pieces(values.size(), 0xdead);
      for (const auto& [begin, end] : {std::pair{0, 7}, {7, 7}, {7, 60001}, {60001, 65536}}) {
        const auto piece =
            std::span(pieces).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
        ASSERT_TRUE(tensor->read(begin, piece).ok());
      }
      EXPECT_EQ(pieces, *weights.read_16bit("x", {256, count / 256}, target));
      const bool as_is = target == (std::string_view(dtype) == "F16" ? Dtype::fp16 : Dtype::bf16);
      ASSERT_EQ(tensor->stored_bits().has_value(), as_is);
      if (!as_is) continue;
      EXPECT_EQ(pieces, values);
      EXPECT_EQ(std::memcmp(tensor->stored_bits()->data(), values.data(), 2 * values.size()), 0);
    }
  }
}

// Every bit pattern at places on both sides of a vector's edge; the pieces beside it are good.
TEST_F(OneFile, APieceIsCheckedToItsEnds) {
  for (const bool fp16 : {true, false}) {
    const Dtype type = fp16 ? Dtype::fp16 : Dtype::bf16;
    const std::vector<std::uint16_t> all = all_16bit();
    const auto count = static_cast<Index>(all.size());
    const Weights weights = open(written("x", fp16 ? "F16" : "BF16", {count}, all));
    const auto tensor = *weights.find_16bit("x", {count}, type);
    for (Index i = 0; i < count; ++i) {
      const auto bits = static_cast<std::uint16_t>(i);
      ASSERT_EQ(tensor.check(i, 1).ok(), std::isfinite(fp16 ? from_fp16(bits) : from_bf16(bits))) << bits;
    }
    const Index first_bad = fp16 ? 0x7c00 : 0x7f80;
    for (Index begin = first_bad - 70; begin < first_bad; ++begin) {
      EXPECT_TRUE(tensor.check(begin, first_bad - begin).ok());
      EXPECT_THAT(tensor.check(begin, first_bad - begin + 1).error().message(),
                  HasSubstr("x[" + std::to_string(first_bad) + "]: expected a finite value that fits"));
    }
    std::vector<std::uint16_t> values(8);
    EXPECT_THAT(tensor.read(first_bad + 1, values).error().message(), HasSubstr("found nan"));
    EXPECT_THROW((void)tensor.check(count - 1, 2), Fault);
    EXPECT_THROW((void)weights.find_16bit("x", {count}, fp16 ? Dtype::bf16 : Dtype::fp16)->check(0, 1),
                 Fault);
  }
}

TEST_F(OneFile, AskingForSomethingElseIsAnError) {
  const Weights weights = open(ones("x", {2, 3}));
  EXPECT_THAT(weights.read_fp32("x", {3, 2}).error().message(),
              HasSubstr("x: expected shape [3, 2], found [2, 3]"));
  EXPECT_THAT(weights.read_fp32("x", {6}).error().message(), HasSubstr("expected shape [6]"));
  EXPECT_THAT(weights.read_fp32("X", {2, 3}).error().message(),
              HasSubstr("X: expected a tensor of this name"));
  EXPECT_THAT(weights.read_int32("x", {2, 3}).error().message(),
              HasSubstr("x.dtype: expected I32, found F16"));
  EXPECT_THAT(weights.read_fp32("pad", {1}).error().message(),
              HasSubstr("pad.dtype: expected F16, BF16 or F32, found U8"));
}

}  // namespace
}  // namespace assay
