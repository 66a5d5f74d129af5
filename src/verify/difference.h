// Record minus re-execution at one position, number by number: what the noise model and the e-processes see.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "record/record.h"

namespace assay {

// What a difference is of. `level`: the log-probability of the anchor, the verifier's likeliest id that both
// lists hold. `ratio`: a further id's log-probability less the anchor's, so that the softmax constant cancels
// and FP16 logits leave a lattice.
enum class DifferenceKind : std::uint8_t { level, ratio };

// Covariates of the size of a difference; all known to the verifier without the record's word for it.
struct Covariates {
  double log_rank = 0;         // of the id under the verifier
  double log_uncertainty = 0;  // ln(1 - p(anchor) + 1e-6) under the verifier
  double log_position = 0;     // ln(position)
  double decode = 0;           // 1 in decode
  std::array<double, 4> values() const { return {log_rank, log_uncertainty, log_position, decode}; }
};

struct Difference {
  DifferenceKind kind = DifferenceKind::level;
  double value = 0;  // nats
  double step = 0;   // width of the lattice that the record's gaps lie on; the same for every candidate
  double verifier_step = 0;  // the same of the verifier's gaps
  Covariates covariates;
};

// One compared position of a claim.
struct PositionDifferences {
  Index position = 0;
  bool decode = false;
  bool bit_equal = false;  // every id of the claim that the verifier scored has equal bits
  std::vector<Difference> values;
};

// The positions of a claim in order, prefill before decode; those without a common id are left out. An id
// among the verifier's `top_k` that the record does not list is held to the least of the record's first
// top_k: where the verifier's log-probability is above it, the excess is a ratio too, so that mass moved out
// of the list is seen.
std::vector<PositionDifferences> differences_of(const Generation& claim, const Reexecution& run, Index top_k);

// The largest power of two, 2^-3 to 2^-12, that divides `gap` within the FP32 error of two log-probabilities
// as large as `magnitude`; 2^-12 if none does.
double lattice_step(double gap, double magnitude);

}  // namespace assay
