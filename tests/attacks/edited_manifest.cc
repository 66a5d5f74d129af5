// Records that are honest but for their manifest.
#include "attacks/attack.h"

namespace assay::attacks {
namespace {

Result<Record> sold_as(Workshop& workshop, const Setup& ran, const Setup& claimed) {
  auto generations = generate_all(workshop, ran);
  if (!generations) return generations.error();
  return record_claiming(workshop, claimed, *std::move(generations));
}

}  // namespace

Result<Record> edited_manifest(Workshop& workshop, const Setup& ran) {
  return sold_as(workshop, ran, claimed_setup());
}

Result<Record> shopped_noise_floor(Workshop& workshop, const Setup& ran) {
  return sold_as(workshop, ran, tiny_setup("gptq", "a100"));
}

Result<Record> wrong_device(Workshop& workshop) {
  Setup elsewhere = claimed_setup();
  elsewhere.device = "h100";
  return sold_as(workshop, elsewhere, claimed_setup());
}

}  // namespace assay::attacks
