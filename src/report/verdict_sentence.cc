#include "report/verdict_sentence.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

std::string names(const std::vector<Hypothesis>& hypotheses) {
  std::vector<std::string> all;
  for (const Hypothesis& hypothesis : hypotheses) all.push_back(name_of(hypothesis));
  return fmt::format("{}", fmt::join(all, ", "));
}

std::vector<Hypothesis> without(std::vector<Hypothesis> hypotheses, const Hypothesis& own) {
  std::erase(hypotheses, own);
  return hypotheses;
}

std::string unexamined(const ClaimVerdict& claim) {
  return claim.unexamined.empty() ? "" : " Not examined: " + names(claim.unexamined) + ".";
}

}  // namespace

std::string verdict_sentence(const ClaimVerdict& claim, const ClaimEvidence& evidence) {
  const std::string own = name_of(evidence.own);
  const std::vector<Hypothesis> others = without(claim.possible, evidence.own);
  switch (claim.outcome) {
    case Outcome::refuted:
      return fmt::format("Refuted: the record was not produced by {}. {}", own,
                         claim.possible.empty() ? "Of the candidates that were examined, none is possible."
                                                : "Still possible: " + names(claim.possible) + ".") +
             unexamined(claim);
    case Outcome::consistent:
      return fmt::format("Consistent: the record is what {} gives. {}", own,
                         others.empty() ? "No other candidate is possible."
                                        : "Not excluded: " + names(others) + ".") +
             (others.empty() ? "" : unexamined(claim));
    case Outcome::inconclusive:
      break;
  }
  return fmt::format("Inconclusive: whether {} produced the record is not decided.{}", own,
                     claim.possible.empty() ? "" : " Possible: " + names(claim.possible) + ".") +
         unexamined(claim);
}

std::string verdict_headline(const VerificationAnalysis& analysis) {
  const auto& claims = analysis.verdict.claims;
  if (claims.size() == 1) return verdict_sentence(claims.front(), analysis.evidence.front());
  std::vector<std::string> meant;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    if (claims[i].outcome == analysis.verdict.outcome) meant.push_back(name_of(analysis.evidence[i].own));
  }
  const std::string list = fmt::format("{}", fmt::join(meant, ", "));
  switch (analysis.verdict.outcome) {
    case Outcome::refuted:
      return fmt::format("Refuted: {} of {} claims {} not hold ({}).", meant.size(), claims.size(),
                         meant.size() == 1 ? "does" : "do", list);
    case Outcome::consistent:
      return fmt::format("Consistent: the record is what its {} claims say ({}).", claims.size(), list);
    case Outcome::inconclusive:
      break;
  }
  return fmt::format("Inconclusive: {} of {} claims {} not decided ({}).", meant.size(), claims.size(),
                     meant.size() == 1 ? "is" : "are", list);
}

std::string e_value(double log_e) {
  return std::isinf(log_e) ? "infinite" : fmt::format("10^{:.1f}", std::max(0.0, log_e) / std::log(10.0));
}

std::string interval_text(const std::optional<Interval>& interval, const char* format) {
  if (!interval) return "";
  return "[" + fmt::format(fmt::runtime(format), interval->low) + ", " +
         fmt::format(fmt::runtime(format), interval->high) + "]";
}

std::string label_interval(const std::optional<Interval>& snr) {
  if (!snr) return "";
  const std::string low = label(detectability(snr->low));
  const std::string high = label(detectability(snr->high));
  return low == high ? low : low + " to " + high;
}

}  // namespace assay
