// The exact tier: which verifier setups give a claim's log-probabilities back bit for bit. Needs no noise
// model: where the arithmetic is known, the right setup agrees everywhere, and how often the others agree by
// chance is counted beside it.
#pragma once

#include <string>
#include <vector>

#include "record/record.h"

namespace assay {

// The first compared position whose bits differ, prefill before decode within a reference.
struct FirstDifference {
  Index reference = 0;
  Index position = 0;  // as PositionScores::position; 0 = none, or not recorded
  bool decode = false;
};

struct BitCount {
  Index positions = 0;  // compared
  Index equal = 0;      // of these, every compared log-probability has equal bits
};

// One claim under one verifier, over all references.
struct PairReproduction {
  std::string verifier;
  BitCount prefill;
  BitCount decode;
  FirstDifference first_difference;
  bool whole = false;  // all positions of the claim have equal bits
};

struct ClaimReproduction {
  std::string claimed;
  std::vector<PairReproduction> pairs;     // by verifier
  Index positions = 0;                     // prefill and decode together
  std::vector<std::string> reproduced_by;  // as a whole
};

struct Reproduction {
  std::vector<ClaimReproduction> claims;
  // Coincidence: over the pairs that do not reproduce their claim as a whole.
  BitCount differing_prefill;
  BitCount differing_decode;
};

// Counts one claim's comparisons under one verifier, whatever made them; `whole` stays false.
PairReproduction count_pair(const Verification& verification, const std::string& claimed,
                            const std::string& verifier);

// Whether compared positions leave out ids of the claim, those outside the verifier's top k: equal bits of
// the others are then no reproduction.
bool skips_ids(const Verification& verification);

// Counts the comparisons of a re-execution (Verification::replay). Empty where there is none: two records
// compared, the seed's files; and under a rule that skips_ids. A claim without a compared position is left
// out.
Reproduction count_reproduction(const Verification& verification, const std::vector<std::string>& claimed,
                                const std::vector<std::string>& verifiers);

// The setups that give a claim back as a whole; none for an unknown claim.
const std::vector<std::string>& reproducers(const Reproduction& reproduction, const std::string& claimed);

}  // namespace assay
