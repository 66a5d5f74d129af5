#include <fmt/format.h>
#include <fmt/ranges.h>

#include "report/text_parts.h"
#include "report/verdict_sentence.h"

namespace assay {
namespace {

std::string candidate_line(const CandidateEvidence& candidate) {
  const bool examined = candidate.tier != Tier::none;
  return fmt::format("    {:<28} {:<6} {:>5} {:>10}  {}\n", name_of(candidate.hypothesis),
                     word(candidate.tier),
                     candidate.verifier.empty() ? "-"
                     : candidate.reproduces     ? "all"
                                                : "not",
                     examined ? e_value(candidate.log_e) : "-",
                     candidate.excluded ? fmt::format("excluded after {} position{}", candidate.decided_after,
                                                      candidate.decided_after == 1 ? "" : "s")
                     : examined         ? "possible"
                                        : candidate.reason);
}

std::string difference_line(const CandidateEvidence& candidate) {
  const ExactDifference& first = *candidate.first_difference;
  const std::string where = fmt::format("ref_{}, {} position {}, token {}", first.reference,
                                        first.decode ? "decode" : "prefill", first.position, first.id);
  if (first.ulps == 0) {
    return fmt::format("    First difference from {}: {}: rank {} recorded, {} replayed\n",
                       name_of(candidate.hypothesis), where, first.record_rank, first.replay_rank);
  }
  return fmt::format("    First difference from {}: {}: {} recorded, {} replayed ({} ULPs)\n",
                     name_of(candidate.hypothesis), where, first.record, first.replay, first.ulps);
}

std::string token_lines(const CandidateEvidence& own) {
  const TokenEvidence& tokens = own.tokens;
  if (tokens.tokens == 0) return "";
  std::string text = fmt::format("  Tokens: {} of {} are what {} would choose", tokens.chosen, tokens.tokens,
                                 name_of(own.hypothesis));
  if (own.verifier.empty()) return "";
  if (tokens.ties > 0) text += fmt::format(", {} more are ties", tokens.ties);
  if (tokens.largest_margin > 0) {
    text += fmt::format("; largest margin {:.2e} at position {} of ref_{}", tokens.largest_margin,
                        tokens.position, tokens.reference);
  }
  return text + "\n";
}

std::string power_lines(const ClaimEvidence& evidence) {
  std::string text;
  for (const Power& power : evidence.power) {
    std::string more =
        power.more_positions == 0 ? "" : fmt::format("; {} more positions for 0.9", power.more_positions);
    if (!power.reachable) more = "; not with 64 prompts";
    text += fmt::format("    {:<28} {:.2f}{}\n", name_of(power.truth), power.probability, more);
  }
  return text.empty()
             ? ""
             : "  Had another made this record, the claim would have been refuted with probability\n" + text;
}

std::string coincidence_line(const ClaimEvidence& evidence) {
  const Coincidence& chance = evidence.coincidence;
  if (chance.positions == 0) return "";
  return fmt::format(
      "  Equal bits by chance, {}: {} of {} positions (at most {:.2g}); after an equal one {} of {} (at "
      "most {:.2g})\n",
      evidence.coincidence_calibrated ? "in the calibration" : "among these setups", chance.equal,
      chance.positions, chance.upper_bound, chance.equal_after_equal, chance.after_equal,
      chance.upper_bound_after_equal);
}

std::string claim_section(const ClaimVerdict& verdict, const ClaimEvidence& evidence) {
  std::string text = fmt::format("\n{}\n  Why: {}\n", verdict_sentence(verdict, evidence), verdict.reason);
  text += fmt::format("  {} prompt{}, {} positions\n    {:<28} {:<6} {:>5} {:>10}\n", evidence.prompts,
                      evidence.prompts == 1 ? "" : "s", evidence.positions, "candidate", "tier", "bits",
                      "e-value");
  for (const CandidateEvidence& candidate : evidence.candidates) text += candidate_line(candidate);
  const CandidateEvidence* own = find_candidate(evidence, evidence.own);
  if (own != nullptr && own->first_difference && own->tier == Tier::exact) text += difference_line(*own);
  if (evidence.log_e_false > 0) {
    text += fmt::format("  Against \"false by at least delta\": e-value {}\n", e_value(evidence.log_e_false));
  }
  text += coincidence_line(evidence);
  if (own != nullptr) text += token_lines(*own);
  for (const auto& members : evidence.classes) {
    std::vector<std::string> names;
    for (const Hypothesis& member : members) names.push_back(name_of(member));
    text += fmt::format("  One class, bits equal throughout: {}\n", fmt::join(names, ", "));
  }
  text += power_lines(evidence);
  for (const std::string& weakness : evidence.weaknesses) text += fmt::format("  Weak: {}\n", weakness);
  return text;
}

std::string cell_lines(const VerificationAnalysis& analysis, const PhaseAnalysis& phase,
                       const IntervalMatrix& cells) {
  std::string text;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    for (std::size_t j = 0; j < cells[i].size(); ++j) {
      text +=
          fmt::format("    {:<40} {:>10.2e}  {}\n", analysis.claimed[i] + " under " + analysis.verifiers[j],
                      phase.matrix[i][j], interval_text(cells[i][j]));
    }
  }
  return text;
}

std::string phase_intervals_text(const VerificationAnalysis& analysis, const PhaseAnalysis& phase,
                                 const PhaseIntervals& intervals, const char* name) {
  if (intervals.cells.empty()) return "";
  std::string text = fmt::format("\n  {}, distances\n", name) + cell_lines(analysis, phase, intervals.cells);
  if (!intervals.snr_all) return text;
  const auto line = [&](const char* what, double value, const std::optional<Interval>& interval,
                        const char* format) {
    text += fmt::format("    {:<40} {:>10}  {}\n", what, fmt::format(fmt::runtime(format), value),
                        interval_text(interval, format));
  };
  text += fmt::format("  {}, signal to noise\n", name);
  line("baseline", phase.baseline_mean, intervals.baseline_mean, "{:.2e}");
  line("signal (all)", phase.signal_all_mean, intervals.signal_all_mean, "{:.2e}");
  line("signal (meaningful)", phase.signal_meaningful_mean, intervals.signal_meaningful_mean, "{:.2e}");
  line("SNR (all)", phase.snr_all, intervals.snr_all, "{:.2f}×");
  line("SNR (meaningful)", phase.snr_meaningful, intervals.snr_meaningful, "{:.2f}×");
  for (std::size_t i = 0; i < intervals.pairs.size(); ++i) {
    const PairSnr& pair = phase.pairwise_snr[i];
    const std::string names = pair.first + " vs " + pair.second;
    line((names + ": signal").c_str(), pair.signal, intervals.pairs[i].signal, "{:.2e}");
    line((names + ": noise").c_str(), pair.noise_floor, intervals.pairs[i].noise_floor, "{:.2e}");
    line((names + ": SNR").c_str(), pair.snr, intervals.pairs[i].snr, "{:.1f}×");
    text += fmt::format("    {:<40} {}\n", "", label_interval(intervals.pairs[i].snr));
  }
  return text;
}

}  // namespace

std::string text_evidence(const VerificationAnalysis& analysis) {
  std::string text = verdict_headline(analysis) + "\n" + text_heading("EVIDENCE");
  text += fmt::format(
      "\nA true claim is refuted with probability {} at most (alpha); consistent: not false by delta = {} "
      "or more.\n",
      analysis.alpha, analysis.delta);
  for (std::size_t i = 0; i < analysis.evidence.size(); ++i) {
    text += claim_section(analysis.verdict.claims[i], analysis.evidence[i]);
  }
  return text + fmt::format("\nOverall: {}\n", word(analysis.verdict.outcome));
}

std::string text_intervals(const VerificationAnalysis& analysis) {
  std::string text;
  if (analysis.devices.empty()) {
    text = phase_intervals_text(analysis, analysis.prefill, analysis.prefill_intervals, "Prefill") +
           phase_intervals_text(analysis, analysis.decode, analysis.decode_intervals, "Decode");
  }
  for (const VerificationAnalysis& device : analysis.devices) {
    const std::string on = " on " + device.device();
    text += phase_intervals_text(device, device.prefill, device.prefill_intervals, ("Prefill" + on).c_str()) +
            phase_intervals_text(device, device.decode, device.decode_intervals, ("Decode" + on).c_str());
  }
  if (text.empty()) return "";
  return text_heading("INTERVALS") +
         fmt::format("\n95 %, bootstrap over {} prompts\n", analysis.references.size()) + text;
}

}  // namespace assay
