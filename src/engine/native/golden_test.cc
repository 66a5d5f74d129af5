// The behaviour fingerprint: bits of fixed scores under every device and model must be those of
// tests/golden/scores.json. A change of numerics changes that file, raises kNumericsVersion and says so in
// its commit. Any machine gives these bits.
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>

#include "base/json.h"
#include "base/sha256.h"
#include "base/thread_pool.h"
#include "engine/engine.h"

namespace assay {
namespace {

// SHA-256 over id, rank and log-probability bits of 70 positions, top 5, replayed in one pass.
std::string fingerprint_of(const std::string& model, const std::string& quantization,
                           const std::string& device, const std::string& dtype, const std::string& profile) {
  ThreadPool pool(2);
  const auto engine = open_engine({.name = "golden",
                                   .model = ASSAY_SOURCE_DIR "/models/" + model,
                                   .quantization = quantization,
                                   .dtype = dtype,
                                   .device = device,
                                   .weights_sha256 = "",
                                   .profile = profile},
                                  pool);
  if (!engine) return engine.error().message();
  ScoreRequest request;
  request.prompt_length = 71;
  for (Index i = 0; i < 71; ++i) request.tokens.push_back(static_cast<TokenId>(i * i * 31 % 4093));
  for (Index i = 1; i < 71; ++i)
    request.asked.push_back({i, {request.tokens[static_cast<std::size_t>(i)]}, 5});
  const auto scores = (*engine)->score(request);
  if (!scores) return scores.error().message();
  std::string bytes;
  for (const PositionScores& position : scores->positions) {
    for (const TokenScore& score : position.scores) {
      for (const std::uint32_t word :
           {static_cast<std::uint32_t>(score.id), static_cast<std::uint32_t>(score.rank),
            std::bit_cast<std::uint32_t>(score.logprob)}) {
        for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(word >> shift & 0xff);
      }
    }
  }
  return sha256_hex(bytes);
}

TEST(Golden, ScoresHaveTheirRecordedBits) {
  const auto golden = read_json(ASSAY_SOURCE_DIR "/tests/golden/scores.json");
  ASSERT_TRUE(golden.ok()) << golden.error().message();
  ASSERT_EQ(golden->at("numerics_version"), kNumericsVersion);
  ASSERT_EQ(golden->at("scores").size(), 22U);
  for (const Json& row : golden->at("scores")) {
    EXPECT_EQ(row.at("sha256"), fingerprint_of(row.at("model"), row.at("quantization"), row.at("device"),
                                               row.at("dtype"), row.value("profile", "vllm-0.11")))
        << row.dump();
  }
}

}  // namespace
}  // namespace assay
