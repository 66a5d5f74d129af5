// An engine of hashes for tests: order, resumption and refusals do not depend on arithmetic.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace assay {

inline constexpr Index kVocabulary = 50;

// Log-probabilities are a hash of (setup's seed, prefix, id), and of the device in the last digits; greedy, top k and
// asked ids as the interface says.
class HashEngine : public Engine {
 public:
  HashEngine(std::uint64_t seed, std::string device, std::string isa)
      : seed_(seed), device_(std::move(device)), isa_(std::move(isa)) {}

  Index vocabulary_size() const override { return kVocabulary; }
  Index context_length() const override { return 64; }
  Environment describe() const override { return {{"device", device_}, {"isa", isa_}}; }
  void forget() override {}
  Index tokens_computed() const override { return 0; }

  Result<Scores> score(const ScoreRequest& request) override {
    Scores all;
    for (const AskedPosition& asked : request.asked) {
      all.positions.push_back(score_at(request.tokens, asked.position, asked.ids, asked.top_k));
    }
    const auto length = static_cast<Index>(request.tokens.size());
    for (Index p = request.prompt_length; request.check_tokens && p < length; ++p) {
      const TokenId token = request.tokens[static_cast<std::size_t>(p)];
      const TokenScore score = score_at(request.tokens, p, {token}, 0).scores.front();
      const bool chosen = token == choose(request.tokens, p, request.sampling);
      all.tokens.push_back({p, score.rank, chosen ? 0.0F : 1.0F, score.logprob});
    }
    return all;
  }

  Result<Generation> generate(const GenerateRequest& request) override {
    Generation made;
    made.prompt_ids = request.prompt;
    std::vector<TokenId> tokens = request.prompt;
    const auto length = static_cast<Index>(tokens.size());
    const Index first = std::max<Index>(1, length - request.last_positions);
    for (Index p = first; p < length; ++p) {
      made.prefill.push_back(score_at(tokens, p, {tokens[static_cast<std::size_t>(p)]}, request.top_k));
    }
    for (Index n = 0; n < request.max_new_tokens; ++n) {
      const auto position = static_cast<Index>(tokens.size());
      const TokenId token = choose(tokens, position, request.sampling);
      const PositionScores scores = score_at(tokens, position, {token}, request.top_k);
      tokens.push_back(token);
      made.generated_ids.push_back(tokens.back());
      if (n >= request.max_new_tokens - request.last_positions) made.decode.push_back(scores);
    }
    return made;
  }

 private:
  // A sampler's token is a hash of seed and position.
  TokenId choose(const std::vector<TokenId>& tokens, Index position, const Sampling& sampling) const {
    if (sampling.sampler == Sampler::greedy) return score_at(tokens, position, {}, 1).scores.front().id;
    return static_cast<TokenId>((sampling.seed * 31 + static_cast<std::uint64_t>(position) * 17) %
                                kVocabulary);
  }

  PositionScores score_at(const std::vector<TokenId>& tokens, Index position, const std::vector<TokenId>& ids,
                          Index top_k) const {
    std::uint64_t state = seed_;
    const auto mix = [&state](std::uint64_t x) { return state = (state ^ x) * 0x9e3779b97f4a7c15U + x; };
    for (Index p = 0; p < position; ++p) mix(static_cast<std::uint64_t>(tokens[static_cast<std::size_t>(p)]));
    std::vector<TokenScore> all;
    const std::uint64_t prefix = state;
    for (TokenId id = 0; id < kVocabulary; ++id) {
      state = prefix;
      mix(static_cast<std::uint64_t>(id));
      const auto text = static_cast<float>((state >> 40) % 100003) / 997.0F;  // no decimals
      const std::uint64_t device = device_.empty() ? 0 : static_cast<std::uint64_t>(device_.back());
      const auto noise = static_cast<float>((mix(device) >> 40) % 1009) / 99991.0F;
      all.push_back({id, -1.0F - text - noise, 0});
    }
    std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.logprob > b.logprob; });
    PositionScores scores{.position = position, .scores = {}};
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].rank = static_cast<std::int32_t>(i) + 1;
      const bool asked = std::find(ids.begin(), ids.end(), all[i].id) != ids.end();
      if (asked || static_cast<Index>(i) < top_k) scores.scores.push_back(all[i]);
    }
    return scores;
  }

  std::uint64_t seed_;
  std::string device_;
  std::string isa_;
};

}  // namespace assay
