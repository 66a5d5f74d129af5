// Error rates of the verdict, as JSON, from calibrations of the tiny models (`make bench-verdicts`):
//
//   verdict_bench NOISY.json EXACT.json [HONEST_CLAIMS]
//
// NOISY is of bench/verdicts.yaml on a100 and h100 seen from h100; EXACT of a100 seen from a100 with --replay decode.
// Honest claims (default 30,000) are repeated splits of the noisy file's test prompts.
#include <fmt/format.h>

#include <cstdlib>

#include "base/json.h"
#include "verify/calibration_file.h"
#include "verify/error_rates.h"

namespace assay {
namespace {

constexpr Index kPromptsAClaim = 4;
constexpr Index kBag = 150;

Json rate_json(const HonestRate& rate, double alpha) {
  return {{"alpha", alpha},
          {"claims", rate.claims},
          {"refuted", rate.refuted},
          {"prompts_in_each_cell", rate.prompts},
          {"interval_95", {rate.interval.low, rate.interval.high}},
          {"upper_bound_95", rate.upper_bound}};
}

Json detections(const Calibration& calibration, bool exact) {
  Json all = Json::array();
  const Index positions = calibration.prefill_positions + calibration.decode_positions;
  for (const CalibrationCell& cell : calibration.cells) {
    for (const TruthScores& truth : cell.test) {
      const Detection found =
          exact ? detect_by_bits(truth) : detect_by_noise(cell, truth, calibration.alpha, kPromptsAClaim);
      const Index median = exact ? found.median_prompts : found.median_prompts * positions;
      Json entry = {{"claimed", name_of(cell.hypothesis)},
                    {"verifier", cell.verifier_device},
                    {"truth", name_of(truth.truth)},
                    {"claims", found.claims},
                    {"refuted", found.refuted}};
      entry["median_positions"] = median == 0 ? Json(nullptr) : Json(median);
      all.push_back(std::move(entry));
    }
  }
  return all;
}

int run(int argc, char** argv) {
  const auto noisy = read_calibration(argv[1]);
  const auto exact = read_calibration(argv[2]);
  for (const auto* read : {&noisy, &exact}) {
    if (*read) continue;
    fmt::print(stderr, "verdict_bench: {}\n", read->error().message());
    return 2;
  }
  const Index claims = argc > 3 ? std::atol(argv[3]) : 30000;
  Json json = {{"honest", Json::array()}};
  for (const double alpha : {0.05, 0.01, 0.001}) {
    json["honest"].push_back(rate_json(honest_rate(*noisy, alpha, claims, kBag, kPromptsAClaim, 1), alpha));
  }
  json["prompts_a_claim"] = kPromptsAClaim;
  json["noisy"] = detections(*noisy, false);
  json["exact"] = detections(*exact, true);
  fmt::print("{}\n", json.dump(1));
  return 0;
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  if (argc >= 3) return assay::run(argc, argv);
  fmt::print(stderr, "usage: verdict_bench NOISY.json EXACT.json [HONEST_CLAIMS]\n");
  return 2;
}
