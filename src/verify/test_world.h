// A small world for the tests of calibrations: setups s0, s1 and s2 on devices a100 and h100, the first two
// nearly alike. Log-probabilities come from logits on a lattice of 2^-7: a text, what the setup does to it, and a
// heavy-tailed noise of the device. Every number is a function of the seed.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "stats/test_draws.h"
#include "verify/analysis.h"
#include "verify/calibration.h"
#include "verify/compare.h"

namespace assay {

inline constexpr Index kWorldIds = 8;
inline constexpr Index kWorldTopK = 3;
inline constexpr Index kWorldPrompt = 5;     // tokens; positions 1 .. 4 are prefill
inline constexpr Index kWorldGenerated = 4;  // positions 5 .. 8

struct World {
  double noise = 0.02;   // of a device, nats
  double kernel = 0.01;  // between s0 and s1
  double format = 0.4;   // between these and s2
  std::uint64_t seed = 1;

  double drawn(std::initializer_list<std::uint64_t> place, double scale) const {
    std::uint64_t at = seed;
    for (const std::uint64_t part : place) at = seed_of_part(at, part);
    SplitMix64 random(at);
    return scale * draw_student(random, 4);
  }

  double logit(const Hypothesis& who, Index prompt, Index position, Index id) const {
    const auto p = static_cast<std::uint64_t>((prompt * 64 + position) * kWorldIds + id);
    const auto setup = static_cast<std::uint64_t>(who.setup.back() - '0');
    const auto device = static_cast<std::uint64_t>(who.device.front());
    const double value = drawn({1, p}, 1.5) + (setup == 2 ? drawn({2, p}, format) : 0) +
                         drawn({3, setup, p}, kernel) + drawn({4, setup, device, p}, noise);
    return std::round(value * 128) / 128;
  }

  // All ids of a position, likeliest first.
  std::vector<TokenScore> scores(const Hypothesis& who, Index prompt, Index position) const {
    std::vector<double> logits;
    double sum = 0;
    for (Index id = 0; id < kWorldIds; ++id) {
      logits.push_back(logit(who, prompt, position, id));
      sum += std::exp(logits.back());
    }
    std::vector<TokenScore> all;
    for (Index id = 0; id < kWorldIds; ++id) {
      all.push_back({static_cast<TokenId>(id),
                     static_cast<float>(logits[static_cast<std::size_t>(id)] - std::log(sum)), 0});
    }
    std::stable_sort(all.begin(), all.end(), [](auto& a, auto& b) { return a.logprob > b.logprob; });
    for (std::size_t i = 0; i < all.size(); ++i) all[i].rank = static_cast<std::int32_t>(i) + 1;
    return all;
  }

  Generation generate(const Hypothesis& who, Index prompt) const {
    Generation made{.setup = who.setup,
                    .reference = prompt,
                    .prompt_ids = std::vector<TokenId>(kWorldPrompt, 0),
                    .generated_ids = {},
                    .prefill = {},
                    .decode = {}};
    for (Index p = 1; p < kWorldPrompt + kWorldGenerated; ++p) {
      auto all = scores(who, prompt, p);
      if (p >= kWorldPrompt) made.generated_ids.push_back(all.front().id);
      std::erase_if(all, [&](const TokenScore& score) {
        return score.rank > kWorldTopK && !(p < kWorldPrompt && score.id == 0);
      });
      (p < kWorldPrompt ? made.prefill : made.decode).push_back({p, std::move(all)});
    }
    return made;
  }

  Reexecution reexecute(const Generation& claim, const Hypothesis& who, const std::string& verifier) const {
    Reexecution run{.claimed = claim.setup,
                    .verifier = verifier,
                    .reference = claim.reference,
                    .prefill = {},
                    .decode = {}};
    const auto phase = [&](const std::vector<PositionScores>& asked, std::vector<PositionScores>& replayed) {
      for (const PositionScores& position : asked) {
        auto all = scores(who, claim.reference, position.position);
        std::erase_if(all, [&](const TokenScore& score) {
          return score.rank > kWorldTopK &&
                 std::none_of(position.scores.begin(), position.scores.end(),
                              [&](const TokenScore& other) { return other.id == score.id; });
        });
        replayed.push_back({position.position, std::move(all)});
      }
    };
    phase(claim.prefill, run.prefill);
    phase(claim.decode, run.decode);
    for (std::size_t i = 0; i < claim.generated_ids.size(); ++i) {
      const Index position = kWorldPrompt + static_cast<Index>(i);
      const auto all = scores(who, claim.reference, position);
      for (const TokenScore& score : all) {
        if (score.id != claim.generated_ids[i]) continue;
        run.tokens.push_back({position, score.rank, all.front().logprob - score.logprob, score.logprob});
      }
    }
    return run;
  }
};

inline std::vector<Setup> world_setups(const std::string& device) {
  std::vector<Setup> setups;
  for (const char* name : {"s0", "s1", "s2"}) {
    Setup setup;
    setup.name = name;
    setup.device = device;
    setup.weights_sha256 = name;
    setups.push_back(setup);
  }
  return setups;
}

inline GenerationSettings world_settings() {
  return {.max_new_tokens = kWorldGenerated,
          .prompt_tokens = kWorldPrompt,
          .top_k = kWorldTopK,
          .ignore_eos = true};
}

inline Calibration world_frame() {
  Calibration frame;
  frame.setups = world_setups("");
  frame.replay = "prefill";
  frame.settings = world_settings();
  frame.environment = {{"assay_version", "1"}, {"numerics_version", "1"}};
  return frame;
}

// Every setup on both devices, re-executed by every setup on h100.
inline std::vector<HonestRun> honest_runs(const World& world, Index prompts) {
  std::vector<HonestRun> runs;
  for (const char* device : {"a100", "h100"}) {
    for (const Setup& truth : world_setups(device)) {
      for (Index prompt = 0; prompt < prompts; ++prompt) {
        const Generation claim = world.generate({truth.name, device}, prompt);
        for (const Setup& verifier : world_setups("h100")) {
          const Reexecution run = world.reexecute(claim, {verifier.name, "h100"}, verifier.name);
          runs.push_back({.prompt = prompt,
                          .truth = {truth.name, device},
                          .verifier = {verifier.name, "h100"},
                          .positions = differences_of(claim, run, kWorldTopK),
                          .tokens = kWorldGenerated,
                          .token_score = token_score_path(run.tokens).back()});
        }
      }
    }
  }
  return runs;
}

// 20 prompts fitted, 60 scored, 40 tested; made once.
inline const Calibration& world_calibration() {
  static const Calibration made = [] {
    ThreadPool pool(1);
    const std::vector<HonestRun> runs = honest_runs(World{}, 120);
    return *calibrate(world_frame(), runs, {.fit = 20, .calibration = 60, .prompts_a_claim = 4}, pool, "w");
  }();
  return made;
}

// `prompts` that no calibration has seen, made by `truth` and claimed to be of `claimed` on a100, verified on
// h100.
inline Verification world_verification(const Hypothesis& truth, const std::string& claimed, Index prompts,
                                       const World& world = {}, Index first_prompt = 1000) {
  Verification verification;
  verification.replay = "prefill";
  verification.environment = verification.reference_environment = world_frame().environment;
  verification.claimed_settings = world_settings();
  verification.setups = world_setups("h100");
  for (Setup setup : world_setups("a100")) {
    if (setup.name == claimed) verification.claimed_setups = {setup};
  }
  verification.claimed_setups.front().ran = {{"device", "a100"}};
  for (Index prompt = first_prompt; prompt < first_prompt + prompts; ++prompt) {
    Generation claim = world.generate(truth, prompt);
    claim.setup = claimed;
    for (const Setup& setup : verification.setups) {
      verification.reexecutions.push_back(world.reexecute(claim, {setup.name, "h100"}, setup.name));
    }
    verification.claims.push_back(std::move(claim));
  }
  Record record;
  record.generations = verification.claims;
  record.settings = verification.claimed_settings;
  verification.comparisons = *compare_all(record, verification, DistanceRule::every_id);
  return verification;
}

}  // namespace assay
