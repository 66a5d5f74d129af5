#include "report/calibration_text.h"

#include <fmt/format.h>

#include "report/text_parts.h"
#include "stats/binomial.h"
#include "verify/error_rates.h"

namespace assay {
namespace {

std::string false_alarm_table(const Calibration& calibration) {
  std::string text = text_heading("FALSE ALARMS");
  text += fmt::format(
      "\nHonest claims of the test prompts that are refuted at alpha = {}; the bound counts groups of "
      "prompts, "
      "not claims\n\n{:<12} {:<12} {:>8} {:>8} {:>8} {:>8} {:>12}\n",
      calibration.alpha, "claimed", "verifier", "prompts", "claims", "refuted", "groups", "bound (95 %)");
  for (const FalsePositives& rate : calibration.false_positives) {
    text += fmt::format("{:<12} {:<12} {:>8} {:>8} {:>8} {:>8} {:>12.2e}\n", device_word(rate.claimed_device),
                        device_word(rate.verifier_device), rate.prompts_a_claim, rate.claims, rate.refuted,
                        rate.independent, rate.upper_bound);
  }
  return text + fmt::format("\nNo false alarm in n groups bounds the rate by 3/n: {} groups would show {}.\n",
                            trials_to_promise(calibration.alpha, 0.95), calibration.alpha);
}

// "38/38 (2)": refuted claims, and prompts needed in the median.
std::string detection_cell(const CalibrationCell& cell, const TruthScores& truth, double alpha,
                           Index prompts) {
  const Detection found = detect_by_noise(cell, truth, alpha, prompts);
  if (found.claims == 0) return "-";
  return fmt::format("{}/{} ({})", found.refuted, found.claims,
                     found.median_prompts == 0 ? "-" : std::to_string(found.median_prompts));
}

std::string detection_table(const Calibration& calibration, Index prompts) {
  std::string text = text_heading("DETECTION");
  text += fmt::format(
      "\nClaims of {} prompts that are refuted, and after how many prompts in the median; rows: what ran, "
      "columns: what is claimed\n",
      prompts);
  for (const FalsePositives& pair : calibration.false_positives) {
    text += fmt::format("\n{} claimed, seen from {}\n{:<22}", device_word(pair.claimed_device),
                        device_word(pair.verifier_device), "");
    std::vector<const CalibrationCell*> cells;
    for (const CalibrationCell& cell : calibration.cells) {
      if (cell.hypothesis.device != pair.claimed_device || cell.verifier_device != pair.verifier_device)
        continue;
      cells.push_back(&cell);
      text += fmt::format(" {:>16}", cell.hypothesis.setup);
    }
    text += '\n';
    for (std::size_t t = 0; t < cells.front()->test.size(); ++t) {
      text += fmt::format("{:<22}", name_of(cells.front()->test[t].truth));
      for (const CalibrationCell* cell : cells) {
        text += fmt::format(" {:>16}", detection_cell(*cell, cell->test[t], calibration.alpha, prompts));
      }
      text += '\n';
    }
  }
  return text;
}

}  // namespace

std::string calibration_report(const Calibration& calibration) {
  const Coincidence& chance = calibration.coincidence;
  std::string text = fmt::format(
      "{} setups, {} prompts: {} fitted, {} scored, {} tested; --replay {}\n"
      "A prompt: {} prefill positions, {} decode positions, {} tokens\n"
      "Equal bits by chance: {} of {} positions, at most {:.2g} (95 %); after an equal one {} of {}, at most "
      "{:.2g}\n",
      calibration.setups.size(),
      calibration.fit_prompts + calibration.calibration_prompts + calibration.test_prompts,
      calibration.fit_prompts, calibration.calibration_prompts, calibration.test_prompts, calibration.replay,
      calibration.prefill_positions, calibration.decode_positions, calibration.tokens, chance.equal,
      chance.positions, chance.upper_bound, chance.equal_after_equal, chance.after_equal,
      chance.upper_bound_after_equal);
  const Index prompts =
      calibration.false_positives.empty() ? 1 : calibration.false_positives.front().prompts_a_claim;
  return text + false_alarm_table(calibration) + detection_table(calibration, prompts);
}

}  // namespace assay
