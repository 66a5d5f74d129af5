#include "verify/error_rates.h"

#include <algorithm>

#include "base/error.h"
#include "stats/draw.h"
#include "verify/claim_process.h"

namespace assay {
namespace {

// The median of counts of which 0 means never; 0 if half are never.
Index median_of(std::vector<Index> after) {
  const auto never = [](Index count) { return count == 0; };
  std::sort(after.begin(), after.end(),
            [&](Index a, Index b) { return never(a) == never(b) ? a < b : never(b); });
  return after.empty() ? 0 : after[after.size() / 2];
}

Detection count(const std::vector<Index>& after) {
  Detection detection{.claims = static_cast<Index>(after.size()), .median_prompts = median_of(after)};
  detection.refuted = static_cast<Index>(after.size()) - std::count(after.begin(), after.end(), Index{0});
  return detection;
}

// The first `count` of the prompts become a random choice without repetition.
void draw_first(std::vector<PromptScore>& prompts, std::size_t count, SplitMix64& random) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto rest = static_cast<Index>(prompts.size() - i);
    std::swap(prompts[i], prompts[i + static_cast<std::size_t>(draw_below(random, rest))]);
  }
}

bool honest_claim_is_refuted(std::vector<PromptScore>& prompts, std::size_t bag, std::size_t claim,
                             double alpha, SplitMix64& random) {
  draw_first(prompts, bag + claim, random);
  CalibrationCell cell;
  for (std::size_t i = 0; i < bag; ++i) {
    cell.logprob_scores.push_back(prompts[i].logprobs);
    cell.token_scores.push_back(prompts[i].tokens);
  }
  return prompts_to_refute(cell, std::span(prompts).subspan(bag, claim), alpha) > 0;
}

const TruthScores& own_test(const CalibrationCell& cell) {
  const auto own = std::find_if(cell.test.begin(), cell.test.end(),
                                [&](const TruthScores& test) { return test.truth == cell.hypothesis; });
  require(own != cell.test.end(), "a cell has test prompts of its own hypothesis");
  return *own;
}

}  // namespace

HonestRate honest_rate(const Calibration& calibration, double alpha, Index claims, Index bag,
                       Index prompts_a_claim, std::uint64_t seed) {
  require(!calibration.cells.empty(), "a calibration has cells");
  require(calibration.test_prompts >= bag + prompts_a_claim, "enough test prompts for a bag and a claim");
  HonestRate rate{.prompts = calibration.test_prompts, .interval = {}};
  const auto cells = static_cast<Index>(calibration.cells.size());
  SplitMix64 random(seed);
  for (Index c = 0; c < cells; ++c) {
    std::vector<PromptScore> prompts = own_test(calibration.cells[static_cast<std::size_t>(c)]).prompts;
    for (Index claim = claims * c / cells; claim < claims * (c + 1) / cells; ++claim) {
      const bool refuted = honest_claim_is_refuted(prompts, static_cast<std::size_t>(bag),
                                                   static_cast<std::size_t>(prompts_a_claim), alpha, random);
      ++rate.claims;
      rate.refuted += refuted ? 1 : 0;
    }
  }
  rate.interval = rate_interval(rate.refuted, rate.claims, 0.95);
  rate.upper_bound = rate_upper_bound(rate.refuted, rate.claims, 0.95);
  return rate;
}

Detection detect_by_noise(const CalibrationCell& cell, const TruthScores& truth, double alpha,
                          Index prompts_a_claim) {
  const auto size = static_cast<std::size_t>(prompts_a_claim);
  std::vector<Index> after;
  for (std::size_t first = 0; first + size <= truth.prompts.size(); first += size) {
    after.push_back(prompts_to_refute(cell, std::span(truth.prompts).subspan(first, size), alpha));
  }
  return count(after);
}

Detection detect_by_bits(const TruthScores& truth) {
  std::vector<Index> after;
  for (const PromptScore& prompt : truth.prompts) after.push_back(prompt.differs_after);
  return count(after);
}

}  // namespace assay
