// Setups of the tiny models and requests for them, for tests of the engine.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "engine/engine.h"

namespace assay {

inline Setup setup_of(const std::string& model, const std::string& quantization,
                      const std::string& device = "ieee") {
  return {.name = quantization,
          .model = std::string(ASSAY_SOURCE_DIR "/models/") + model,
          .quantization = quantization,
          .dtype = "float16",
          .device = device,
          .weights_sha256 = ""};
}

inline const Setup kDense = setup_of("tiny-qwen3", "none");

inline std::vector<TokenId> some_tokens(Index n) {
  std::vector<TokenId> tokens;
  for (Index i = 0; i < n; ++i) tokens.push_back(static_cast<TokenId>((i * 577 + 31) % 4000));
  return tokens;
}

inline ScoreRequest request_for(Index tokens, Index prompt, std::initializer_list<Index> positions,
                                Replay replay) {
  ScoreRequest request{some_tokens(tokens), prompt, {}, replay};
  for (const Index position : positions) {
    request.asked.push_back({position, {request.tokens[static_cast<std::size_t>(position)], 7}, 5});
  }
  return request;
}

inline std::vector<PositionScores> score(const Setup& setup, const ScoreRequest& request, int threads = 2,
                                         Isa isa = fastest_isa()) {
  ThreadPool pool(threads);
  auto engine = open_engine(setup, pool, {.isa = isa});
  if (!engine) throw Fault(engine.error().message());
  auto scores = (*engine)->score(request);
  if (!scores) throw Fault(scores.error().message());
  return scores->positions;
}

}  // namespace assay
