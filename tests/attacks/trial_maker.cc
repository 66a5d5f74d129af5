#include "attacks/trial_maker.h"

#include <algorithm>

#include "attacks/record_maker.h"
#include "attacks/verifier.h"

namespace assay::attacks {
namespace {

// The claimed setup and its nearest rivals on its device.
std::vector<Setup> candidates(const Setup& claimed) {
  std::vector<Setup> all = {tiny_setup(claimed.quantization, claimed.device)};
  for (const char* quantization : {"awq", "awq_marlin", "gptq_marlin"}) {
    if (quantization != claimed.quantization) all.push_back(tiny_setup(quantization, claimed.device));
  }
  return all;
}

}  // namespace

std::vector<Setup> every_setup_on(const std::string& device) {
  std::vector<Setup> all;
  for (const char* quantization : kQuantizations) all.push_back(tiny_setup(quantization, device));
  return all;
}

std::vector<Setup> controls() {
  std::vector<Setup> all = every_setup_on("a100");
  for (const char* quantization : {"awq", "gptq_marlin"}) all.push_back(tiny_setup(quantization, "h100"));
  return all;
}

Result<Trial> TrialMaker::try_out(Workshop& workshop, const Record& record,
                                  const std::vector<Setup>& published, bool with_decode) const {
  auto prefill = verify(workshop, record, published, Replay::prefill);
  if (!prefill) return prefill.error();
  Trial trial{record, *std::move(prefill), {}};
  if (!with_decode) return trial;
  auto decode = verify(workshop, record, candidates(record.setups.front()), Replay::decode);
  if (!decode) return decode.error();
  trial.decode = *std::move(decode);
  return trial;
}

Result<Trial> TrialMaker::try_out(Workshop& workshop, const Record& record) const {
  return try_out(workshop, record, every_setup_on(plan_.device), plan_.decode);
}

Result<const std::vector<Trial>*> TrialMaker::calibration(const Record& claim) {
  const Setup& claimed = claim.setups.front();
  Sampling sampling = claim.settings.sampling;
  auto& trials = calibrations_[key_of(claimed) + word(sampling.sampler)];
  WorkshopPlan plan = plan_.calibration;
  while (static_cast<Index>(trials.size()) < plan_.calibration_records) {
    plan.seed = plan_.calibration.seed + trials.size();
    auto workshop = Workshop::open(shelf_, plan);
    if (!workshop) return workshop.error();
    if (sampling.sampler != Sampler::greedy) sampling.seed = plan.seed;
    const auto record = honest_record(*workshop, tiny_setup(claimed.quantization, claimed.device), sampling);
    if (!record) return record.error();
    auto trial = try_out(*workshop, *record, {tiny_setup(claimed.quantization, plan_.device)}, false);
    if (!trial) return trial.error();
    trials.push_back(*std::move(trial));
  }
  return &trials;
}

}  // namespace assay::attacks
