// The analysis within one record: which setups differ on the same hardware.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "record/record.h"
#include "stats/bootstrap.h"
#include "verify/consistency.h"

namespace assay {

using Matrix = std::vector<std::vector<double>>;  // row = claimed, column = verifier

struct SanityCheck {
  Matrix matrix;                               // mean over references; infinite if one of them is
  std::vector<Matrix> per_reference_matrices;  // 0 on the diagonal
  std::vector<std::vector<std::optional<Interval>>> intervals;  // of the cells' means; verify/intervals.h
  double off_diagonal_mean = 0;                                 // of the finite cells; 0 if there are none
  std::vector<SetupPair> equivalent_pairs;  // distance within the setups' noise floors, both ways
  std::vector<std::vector<std::string>> kernel_classes;  // setups joined by equivalent pairs
};

struct RecordAnalysis {
  std::vector<Setup> setups;  // the rows and columns
  std::vector<Index> references;
  Environment environment;
  GenerationSettings settings;
  std::string timestamp;
  std::string fingerprint;
  DistanceRule rule = DistanceRule::every_id;
  std::vector<NoiseFloor> noise_floors;
  std::vector<TokenAgreement> agreements;
  SanityCheck prefill;
  SanityCheck decode;
};

// Error (file names the record): the setups do not all have the same references.
Result<RecordAnalysis> analyze_record(const Record& record, const std::string& file, DistanceRule rule);

}  // namespace assay
