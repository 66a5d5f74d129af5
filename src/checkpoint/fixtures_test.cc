// Checkpoints that GPTQModel wrote, against the hashes of what GPTQModel's own layers dequantize them to
// (tools/make_model_fixtures.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "base/json.h"
#include "base/sha256.h"
#include "checkpoint/config.h"
#include "checkpoint/layout.h"
#include "checkpoint/quantized_matrix.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(ASSAY_SOURCE_DIR) / "models";
const fs::path kFixtures = fs::path(ASSAY_SOURCE_DIR) / "tests/fixtures/model";

fs::path folder_of(const std::string& name) {
  return fs::exists(kModels / name) ? kModels / name : kFixtures / name;
}

// SHA-256 of the dequantized FP16 [K, N] of every linear layer, behind its shape.
std::map<std::string, std::string> hashes_of(const fs::path& folder) {
  const auto config = read_config(folder);
  const auto weights = Weights::open(folder);
  if (!config || !weights) throw Fault((config ? weights.error() : config.error()).message());
  if (const auto checked = check_layout(*weights, *config); !checked) throw Fault(checked.error().message());
  std::map<std::string, std::string> hashes;
  for (Index layer = 0; layer < config->layers; ++layer) {
    for (const LinearLayer& linear : decoder_linears(*config, layer)) {
      const auto matrix =
          read_quantized(*weights, *config->quantization, linear.name, linear.inputs, linear.outputs);
      const auto values = dequantize(*matrix, Dtype::fp16);
      const std::array<Index, 2> shape = {linear.inputs, linear.outputs};
      hashes[linear.name] = describe_shape(shape) + " " + sha256_hex(std::as_bytes(std::span(*values)));
    }
  }
  return hashes;
}

TEST(Fixtures, DequantizeToTheBitsOfThePackageThatWroteThem) {
  const Json expected = *read_json(kFixtures / "dequantized.json");
  ASSERT_GE(expected.size(), 7U);
  for (const auto& [name, linears] : expected.items()) {
    std::map<std::string, std::string> hashes;
    for (const auto& [linear, entry] : linears.items()) {
      hashes[linear] =
          describe_shape(entry["shape"].get<std::vector<Index>>()) + " " + entry["sha256"].get<std::string>();
    }
    ASSERT_FALSE(hashes.empty()) << name;
    EXPECT_EQ(hashes_of(folder_of(name)), hashes) << name;
  }
}

TEST(Fixtures, CoverTheFormats) {
  const Json expected = *read_json(kFixtures / "dequantized.json");
  std::set<std::string> kinds;
  for (const auto& [name, linears] : expected.items()) {
    const Quantization kind = *read_config(folder_of(name))->quantization;
    kinds.insert(kind.method == QuantizationMethod::awq ? "awq" : "gptq");
    if (kind.desc_act) kinds.insert("desc_act");
    if (kind.bits == 8) kinds.insert("8 bits");
    if (!kind.group_size) kinds.insert("whole columns");
    if (kind.version == GptqVersion::v2) kinds.insert("version 2");
    if (kind.method == QuantizationMethod::gptq && !kind.symmetric) kinds.insert("asymmetric");
  }
  EXPECT_THAT(kinds, ::testing::UnorderedElementsAre("awq", "gptq", "desc_act", "8 bits", "whole columns",
                                                     "version 2", "asymmetric"));
}

}  // namespace
}  // namespace assay
