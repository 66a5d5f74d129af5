#include "report/reproduction_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/text_parts.h"

namespace assay {
namespace {

// Why the right setup may be among those that differ; "" where it may not.
std::string reservation(const VerificationAnalysis& analysis) {
  const auto any = [&](const char* key, const char* value) {
    return std::any_of(analysis.run.setups.begin(), analysis.run.setups.end(),
                       [&](const Setup& setup) { return lookup(setup.ran, key) == value; });
  };
  if (analysis.run.replay != "decode" && any("rows_change_bits", "yes")) {
    return " (some give their bits only under --replay decode)";
  }
  return any("determinism", "not_deterministic") ? " (some are not deterministic)" : "";
}

std::string share(const BitCount& count) {
  return count.positions == 0 ? "-" : fmt::format("{}/{}", count.equal, count.positions);
}

}  // namespace

std::string reproduction_sentence(const VerificationAnalysis& analysis, const ClaimReproduction& claim) {
  const auto& by = claim.reproduced_by;
  if (by.empty()) {
    return fmt::format("{}: no setup reproduces it bit for bit{}", claim.claimed, reservation(analysis));
  }
  if (claim.pairs.size() == 1) {
    return fmt::format("{}: reproduced by {} in all {} positions bit for bit; no other setup was run",
                       claim.claimed, by.front(), claim.positions);
  }
  if (by.size() == 1) {
    return fmt::format("{}: identified exactly: only {} reproduces all {} positions bit for bit",
                       claim.claimed, by.front(), claim.positions);
  }
  return fmt::format("{}: reproduced by {} (they cannot be told apart on this record)", claim.claimed,
                     fmt::join(by, " and "));
}

std::string not_counted_sentence(const VerificationAnalysis& analysis) {
  if (analysis.run.replay.empty() || !skips_ids(analysis.run)) return "";
  return "not counted under --distance seed, which skips ids outside the verifier's top k";
}

std::string coincidence_sentence(const BitCount& differing) {
  if (differing.positions == 0) return "coincidence rate of differing setups: none differs";
  return fmt::format("coincidence rate of differing setups: {} of {} positions, {:.2f} %", differing.equal,
                     differing.positions,
                     100 * static_cast<double>(differing.equal) / static_cast<double>(differing.positions));
}

std::string place_of(const FirstDifference& first) {
  if (first.position == 0) return "-";
  return fmt::format("ref_{}, {} position {}", first.reference, first.decode ? "decode" : "prefill",
                     first.position);
}

std::string text_reproduction(const VerificationAnalysis& analysis) {
  const Reproduction& exact = analysis.reproduction;
  const std::string not_counted = not_counted_sentence(analysis);
  if (exact.claims.empty() && not_counted.empty()) return "";
  std::string text = text_heading("EXACT REPRODUCTION");
  if (!not_counted.empty()) return text + "\n  " + not_counted + "\n";
  text += "\nPositions whose every compared log-probability has equal bits, of those compared\n\n";
  text += fmt::format("{:<40} {:>12} {:>12} {:>6}  {}\n{:-<105}\n", "Claim", "Prefill", "Decode", "Whole",
                      "First difference", "");
  for (const ClaimReproduction& claim : exact.claims) {
    for (const PairReproduction& pair : claim.pairs) {
      text += fmt::format("{:<40} {:>12} {:>12} {:>6}  {}\n", claim.claimed + " under " + pair.verifier,
                          share(pair.prefill), share(pair.decode), pair.whole ? "yes" : "no",
                          place_of(pair.first_difference));
    }
  }
  text += '\n';
  for (const ClaimReproduction& claim : exact.claims) {
    text += "  " + reproduction_sentence(analysis, claim) + "\n";
  }
  return text + fmt::format("\nPrefill: {}\nDecode:  {}\n", coincidence_sentence(exact.differing_prefill),
                            coincidence_sentence(exact.differing_decode));
}

}  // namespace assay
