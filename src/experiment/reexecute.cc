#include "experiment/reexecute.h"

#include "experiment/run.h"

namespace assay {
namespace {

// No run of a generation has this seed: a verifier's chance is another than the provider's.
constexpr std::uint64_t kVerifierNoise = 0x7e57;

}  // namespace

std::vector<TokenId> tokens_of(const Generation& claim) {
  std::vector<TokenId> tokens = claim.prompt_ids;
  tokens.insert(tokens.end(), claim.generated_ids.begin(), claim.generated_ids.end());
  return tokens;
}

bool choice_is_known(const Setup& setup, const Sampling& sampling) {
  const bool by_server = !lookup(setup.ran, "engine").empty();
  return sampling.sampler == Sampler::greedy || !by_server;
}

ScoreRequest request_of(const Generation& claim, const GenerationSettings& settings, Replay replay) {
  ScoreRequest request{.tokens = tokens_of(claim),
                       .prompt_length = static_cast<Index>(claim.prompt_ids.size()),
                       .asked = {},
                       .replay = replay,
                       .noise_seed = kVerifierNoise,
                       .check_tokens = true,
                       .sampling = sampling_of(settings.sampling, claim.reference)};
  for (const auto* phase : {&claim.prefill, &claim.decode}) {
    for (const PositionScores& position : *phase) {
      AskedPosition asked{.position = position.position, .ids = {}, .top_k = settings.top_k};
      for (const TokenScore& score : position.scores) asked.ids.push_back(score.id);
      request.asked.push_back(std::move(asked));
    }
  }
  return request;
}

Reexecution reexecution_of(const Generation& claim, const std::string& verifier, Scores scores) {
  Reexecution run{.claimed = claim.setup,
                  .verifier = verifier,
                  .reference = claim.reference,
                  .prefill = {},
                  .decode = {},
                  .tokens = std::move(scores.tokens),
                  .served = std::move(scores.served)};
  const auto prompt = static_cast<Index>(claim.prompt_ids.size());
  for (PositionScores& position : scores.positions) {
    (position.position < prompt ? run.prefill : run.decode).push_back(std::move(position));
  }
  return run;
}

Result<Reexecution> reexecute(const Generation& claim, const GenerationSettings& settings, Replay replay,
                              const std::string& verifier, Engine& engine) {
  auto scores = engine.score(request_of(claim, settings, replay));
  if (!scores) return scores.error();
  return reexecution_of(claim, verifier, *std::move(scores));
}

}  // namespace assay
