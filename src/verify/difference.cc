#include "verify/difference.h"

#include <algorithm>
#include <cmath>

#include "number/compare.h"

namespace assay {
namespace {

constexpr double kFinest = 0x1p-12;
constexpr double kCoarsest = 0x1p-3;

// The two lists at one position.
struct Pair {
  const PositionScores& record;
  const PositionScores& verifier;
  const TokenScore* record_anchor = nullptr;
  const TokenScore* verifier_anchor = nullptr;

  // A rank that was not recorded counts as the place in the list.
  double rank(const TokenScore& score) const {
    if (score.rank > 0) return score.rank;
    return static_cast<double>(&score - verifier.scores.data() + 1);
  }
};

Pair anchored(const PositionScores& record, const PositionScores& verifier) {
  Pair pair{record, verifier};
  for (const TokenScore& score : verifier.scores) {
    const TokenScore* other = find_score(record.scores, score.id);
    if (other == nullptr) continue;
    if (pair.verifier_anchor != nullptr && pair.verifier_anchor->logprob >= score.logprob) continue;
    pair.record_anchor = other;
    pair.verifier_anchor = &score;
  }
  return pair;
}

void add_ratio(const Pair& pair, const TokenScore& verifier, double record_logprob, Covariates covariates,
               std::vector<Difference>& values) {
  covariates.log_rank = std::log(pair.rank(verifier));
  const double record_gap = record_logprob - static_cast<double>(pair.record_anchor->logprob);
  const double gap =
      static_cast<double>(verifier.logprob) - static_cast<double>(pair.verifier_anchor->logprob);
  values.push_back({.kind = DifferenceKind::ratio,
                    .value = record_gap - gap,
                    .step = lattice_step(record_gap, record_logprob),
                    .verifier_step = lattice_step(gap, static_cast<double>(verifier.logprob)),
                    .covariates = covariates});
}

// The least of the record's first top_k, by its own order.
double least_listed(const PositionScores& record, Index top_k) {
  const auto listed = std::min(record.scores.size(), static_cast<std::size_t>(top_k));
  double least = 0;
  for (std::size_t i = 0; i < listed; ++i) {
    least = std::min(least, static_cast<double>(record.scores[i].logprob));
  }
  return least;
}

// Logits of one row have about one spacing; a coarser gap among them is one by chance.
void share_step(std::vector<Difference>& values, double Difference::*member) {
  double step = kCoarsest;
  for (const Difference& value : values) {
    if (value.kind == DifferenceKind::ratio) step = std::min(step, value.*member);
  }
  for (Difference& value : values) {
    if (value.kind == DifferenceKind::ratio) value.*member = step;
  }
}

PositionDifferences compare(const Pair& pair, bool decode, Index top_k) {
  PositionDifferences result{
      .position = pair.record.position, .decode = decode, .bit_equal = true, .values = {}};
  const auto anchor = static_cast<double>(pair.verifier_anchor->logprob);
  Covariates covariates{.log_rank = std::log(pair.rank(*pair.verifier_anchor)),
                        .log_uncertainty = std::log(1 - std::exp(anchor) + 1e-6),
                        .log_position = std::log(static_cast<double>(pair.record.position)),
                        .decode = decode ? 1.0 : 0.0};
  result.values.push_back({.kind = DifferenceKind::level,
                           .value = static_cast<double>(pair.record_anchor->logprob) - anchor,
                           .step = kFinest,
                           .verifier_step = kFinest,
                           .covariates = covariates});
  const double least = least_listed(pair.record, top_k);
  for (const TokenScore& score : pair.verifier.scores) {
    const TokenScore* other = find_score(pair.record.scores, score.id);
    if (other != nullptr) result.bit_equal &= same_bits(other->logprob, score.logprob);
    if (&score == pair.verifier_anchor) continue;
    if (other != nullptr) {
      add_ratio(pair, score, static_cast<double>(other->logprob), covariates, result.values);
    } else if (score.rank > 0 && score.rank <= top_k && static_cast<double>(score.logprob) > least) {
      add_ratio(pair, score, least, covariates, result.values);
    }
  }
  share_step(result.values, &Difference::step);
  share_step(result.values, &Difference::verifier_step);
  return result;
}

void add_phase(std::span<const PositionScores> record, std::span<const PositionScores> verifier, bool decode,
               Index top_k, std::vector<PositionDifferences>& all) {
  for (const PositionScores& position : record) {
    const PositionScores* other = find_position(verifier, position.position);
    if (other == nullptr) continue;
    const Pair pair = anchored(position, *other);
    if (pair.verifier_anchor != nullptr) all.push_back(compare(pair, decode, top_k));
  }
}

}  // namespace

double lattice_step(double gap, double magnitude) {
  const double tolerance = 0x1p-22 * std::max(1.0, std::fabs(magnitude));
  for (double step = kCoarsest; step > kFinest; step /= 2) {
    if (std::fabs(gap - std::round(gap / step) * step) <= tolerance) return step;
  }
  return kFinest;
}

std::vector<PositionDifferences> differences_of(const Generation& claim, const Reexecution& run,
                                                Index top_k) {
  std::vector<PositionDifferences> all;
  add_phase(claim.prefill, run.prefill, false, top_k, all);
  add_phase(claim.decode, run.decode, true, top_k, all);
  return all;
}

}  // namespace assay
