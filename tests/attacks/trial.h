// What a decision rule is given and what it says.
#pragma once

#include <span>

#include "record/record.h"
#include "verify/verdict.h"

namespace assay::attacks {

// A record of one claimed setup beside its re-executions.
struct Trial {
  Record record;
  Verification prefill;  // one prefill under every setup of one device, as published verifiers do
  Verification decode;   // step by step under every candidate; no setups where no rule asked for it
};

struct Decision {
  Outcome outcome = Outcome::inconclusive;
  double statistic = 0;  // the rule's own number
};

struct Rule {
  const char* name;
  // `honest` holds trials of the same claimed setup for other prompts, to calibrate on.
  Decision (*decide)(const Trial& trial, std::span<const Trial> honest);
  bool needs_decode = false;
};

}  // namespace assay::attacks
