// The forward pass against Hugging Face transformers (tests/fixtures/model, made by
// tools/make_model_fixtures.py).
#include "engine/native/decoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/json.h"
#include "base/thread_pool.h"
#include "checkpoint/weights.h"

namespace assay {
namespace {

const std::string kFixtures = ASSAY_SOURCE_DIR "/tests/fixtures/model";
constexpr Index kVocabulary = 4096;

std::vector<float> fixture(const std::string& name, const std::vector<Index>& shape) {
  static const auto weights = Weights::open(kFixtures);
  if (!weights) throw Fault(weights.error().message());
  auto values = weights->read_fp32(name, shape);
  if (!values) throw Fault(values.error().message());
  return *std::move(values);
}

Json prompt(std::size_t i) {
  auto prompts = read_json(kFixtures + "/prompts.json");
  if (!prompts) throw Fault(prompts.error().message());
  return prompts->at(i);
}

// A loaded model with what it refers to.
struct Loaded {
  explicit Loaded(const std::string& folder, Device device, Dtype dtype = Dtype::fp16)
      : pool(2),
        config(read_config(folder).value()),
        weights(load_decoder(Weights::open(folder).value(), config, dtype, {}, pool).value()),
        decoder(config, weights, {pool, ops_for(fastest_isa(), dtype), device}, {}) {}

  // Logits after each of `positions` tokens' prefixes, [positions, vocabulary].
  std::vector<float> logits(const std::vector<std::int32_t>& ids, const std::vector<Index>& positions) {
    const auto rows = static_cast<Index>(ids.size());
    DecoderState state = decoder.reserve(rows);
    decoder.forward(ids, {0, rows}, state);
    std::vector<float> out(positions.size() * static_cast<std::size_t>(kVocabulary));
    for (std::size_t i = 0; i < positions.size(); ++i) {
      decoder.logits(state.hidden.data() + positions[i] * config.hidden_size, 1,
                     out.data() + i * kVocabulary);
    }
    return out;
  }

  ThreadPool pool;
  ModelConfig config;
  DecoderWeights weights;
  Decoder decoder;
};

// |a - b| / |b| in the Euclidean norm.
double relative_error(std::span<const float> a, std::span<const float> b) {
  double difference = 0;
  double norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(double{a[i]} - double{b[i]}, 2);
    norm += std::pow(double{b[i]}, 2);
  }
  return std::sqrt(difference / norm);
}

// docs/numerics.md, "Comparisons in tests": at most twice the error of Hugging Face's own float16 run.
void expect_as_good_as_float16(Loaded& model, const std::string& name, std::size_t index) {
  const Json p = prompt(index);
  const auto ids = p.at("ids").get<std::vector<std::int32_t>>();
  const auto positions = p.at("positions").get<std::vector<Index>>();
  const std::string key = name + ".prompt" + std::to_string(index);
  const auto exact = fixture(key + ".float64", {4, kVocabulary});
  const double baseline = relative_error(fixture(key + ".float16", {4, kVocabulary}), exact);
  const double ours = relative_error(model.logits(ids, positions), exact);
  testing::Test::RecordProperty(key, std::to_string(ours / baseline));
  EXPECT_LE(ours, 2 * baseline) << key;
  EXPECT_GT(ours, 0) << "activations are rounded to FP16: agreement with float64 cannot be exact";
}

TEST(Decoder, LogitsAreAsGoodAsHuggingFaceFloat16) {
  for (const Device device : {Device::ieee, Device::exact, Device::a100, Device::h100}) {
    Loaded model(ASSAY_SOURCE_DIR "/models/tiny-qwen3", device);
    for (std::size_t i = 0; i < 3; ++i) expect_as_good_as_float16(model, "tiny-qwen3", i);
  }
}

TEST(Decoder, QuantizedLogitsAreAsGoodAsHuggingFaceFloat16) {
  const std::map<std::string, std::string> folders = {
      {"tiny-qwen3-awq", ASSAY_SOURCE_DIR "/models/tiny-qwen3-awq"},
      {"tiny-qwen3-gptq", ASSAY_SOURCE_DIR "/models/tiny-qwen3-gptq"},
      {"tiny-qwen3-gptq-desc-act", kFixtures + "/tiny-qwen3-gptq-desc-act"}};
  for (const auto& [name, folder] : folders) {
    Loaded model(folder, Device::ieee);
    expect_as_good_as_float16(model, name, 1);
  }
}

// Which layer is wrong, when one is: the embedding is exact, and each layer's error is small beside what the
// layer adds.
TEST(Decoder, EachLayerFollowsHuggingFace) {
  Loaded model(ASSAY_SOURCE_DIR "/models/tiny-qwen3", Device::ieee);
  const Json p = prompt(0);
  const auto ids = p.at("ids").get<std::vector<std::int32_t>>();
  const auto positions = p.at("hidden_positions").get<std::vector<Index>>();
  const auto expected = fixture("tiny-qwen3.prompt0.hidden", {9, 2, 256});
  const auto row = [&](Index layer, std::size_t i) {
    return std::span(expected).subspan((static_cast<std::size_t>(layer) * 2 + i) * 256, 256);
  };
  Index layers_seen = 0;
  model.decoder.set_probe([&](Index layer, const float* residual, Index) {
    ++layers_seen;
    for (std::size_t i = 0; i < positions.size(); ++i) {
      const std::span<const float> ours(residual + positions[i] * 256, 256);
      const double error = relative_error(ours, row(layer, i));
      if (layer == 0) {
        EXPECT_EQ(error, 0);
      } else {
        EXPECT_LT(error, relative_error(row(layer - 1, i), row(layer, i)) / 10) << "layer " << layer;
      }
    }
  });
  (void)model.logits(ids, {});
  EXPECT_EQ(layers_seen, 9);
}

}  // namespace
}  // namespace assay
