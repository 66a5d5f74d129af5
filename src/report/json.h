// The analyses as JSON with the seed's keys (`prefill_analysis`, `pairwise_snr`, `kernel_classes`, ...).
#pragma once

#include "base/json.h"
#include "verify/analysis.h"
#include "verify/sanity.h"

namespace assay {

// Everything: for `-o json`, and metrics.json of a run folder. Print with dump_json (record/infinite_json.h).
Json json_report(const VerificationAnalysis& analysis);
Json json_report(const RecordAnalysis& analysis);

// verdict.json: the headline, each claim with its evidence, environment mismatches.
Json verdict_json(const VerificationAnalysis& analysis);

// The seed's single file: to_seed_json and the tables; a verification under one device. Print with
// InfinityStyle::bare.
Json seed_export(const Record& record, const RecordAnalysis& analysis);
Json seed_export(const VerificationAnalysis& analysis);

}  // namespace assay
