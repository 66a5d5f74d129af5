// From records to trials: the re-executions that rules ask for.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "attacks/trial.h"
#include "attacks/workshop.h"

namespace assay::attacks {

std::vector<Setup> every_setup_on(const std::string& device);

// Setups of the honest records.
std::vector<Setup> controls();

struct TrialPlan {
  WorkshopPlan calibration;       // its seed is that of the first of the calibration's records
  Index calibration_records = 3;  // of each claimed setup
  std::string device = "h100";    // of the published rules' verifier
  bool decode = false;            // whether a rule asks for Trial::decode
};

class TrialMaker {
 public:
  // `shelf` must outlive it.
  TrialMaker(EngineShelf& shelf, TrialPlan plan) : shelf_(shelf), plan_(std::move(plan)) {}

  Result<Trial> try_out(Workshop& workshop, const Record& record) const;

  // Honest trials of what the record claims, setup and way of choosing tokens; made once. Their `prefill` has
  // the claimed setup only, their `decode` nothing.
  Result<const std::vector<Trial>*> calibration(const Record& claim);

 private:
  Result<Trial> try_out(Workshop& workshop, const Record& record, const std::vector<Setup>& published,
                        bool with_decode) const;

  EngineShelf& shelf_;
  TrialPlan plan_;
  std::map<std::string, std::vector<Trial>> calibrations_;  // by claimed setup and sampler
};

}  // namespace assay::attacks
