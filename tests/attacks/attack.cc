#include "attacks/attack.h"

namespace assay::attacks {
namespace {

constexpr Attack kAttacks[] = {
    {"attached", "awq", "gptq_marlin for the tokens, awq for one prefill",
     "every log-probability is the claimed setup's own", attached},
    {"speculative", "awq", "gptq_marlin where it is sure, awq elsewhere",
     "most tokens agree, and every log-probability is the claimed setup's", speculative},
    {"tuned temperature", "awq", "gptq_marlin at another temperature",
     "the mean log-probability is the claimed setup's", tuned_temperature},
    {"substitution 1/2", "awq", "gptq_marlin for one request in two", "statistics over requests are diluted",
     [](Workshop& workshop) { return substituted(workshop, cheap_setup(), 2); }},
    {"substitution 1/4", "awq", "gptq_marlin for one request in four", "statistics over requests are diluted",
     [](Workshop& workshop) { return substituted(workshop, cheap_setup(), 4); }},
    {"kernel substitution 1/4", "awq", "awq_marlin for one request in four", "the same weights, and diluted",
     [](Workshop& workshop) { return substituted(workshop, sibling_setup(), 4); }},
    {"noise-floor shopping, weights", "gptq", "awq", "equal bits cannot be demanded of exllama",
     [](Workshop& workshop) { return shopped_noise_floor(workshop, claimed_setup()); }},
    {"noise-floor shopping, kernel", "gptq", "gptq_marlin",
     "equal bits cannot be demanded, and the weights are the same",
     [](Workshop& workshop) { return shopped_noise_floor(workshop, cheap_setup()); }},
    {"rounded to 2 decimals", "awq", "gptq_marlin", "no bits to compare",
     [](Workshop& workshop) { return in_decimals(workshop, cheap_setup(), 2, Cut::rounded); }},
    {"truncated to 3 decimals", "awq", "awq_marlin", "no bits to compare, and the weights are the same",
     [](Workshop& workshop) { return in_decimals(workshop, sibling_setup(), 3, Cut::truncated); }},
    {"mass outside the top k", "awq", "gptq_marlin", "the ids where the setups differ are not listed",
     outside_the_top},
    {"wrong seed", "awq, drawn", "awq, drawn with another seed",
     "tokens are as likely as honest ones, every log-probability is right", wrong_seed},
    {"attached, drawn", "awq, drawn", "gptq_marlin draws with the claimed seed, awq for one prefill",
     "every log-probability is the claimed setup's own", attached_drawn},
    {"wrong device", "awq on a100", "awq on h100", "the same weights and kernel", wrong_device},
    {"half replaced", "awq", "gptq_marlin at every second position", "a median does not see it",
     [](Workshop& workshop) { return half_replaced(workshop, cheap_setup()); }},
    {"half replaced, kernel", "awq", "awq_marlin at every second position",
     "the same weights, and a median does not see it",
     [](Workshop& workshop) { return half_replaced(workshop, sibling_setup()); }},
    {"replayed", "awq", "awq for another prompt", "every number is honest where it comes from", replayed},
    {"edited manifest, weights", "awq", "gptq_marlin", "every word of the manifest is right",
     [](Workshop& workshop) { return edited_manifest(workshop, cheap_setup()); }},
    {"edited manifest, kernel", "awq", "awq_marlin", "every word is right, the weights too",
     [](Workshop& workshop) { return edited_manifest(workshop, sibling_setup()); }},
    {"honest, rounded to 2 decimals", "awq", "awq", "not an attack: a weak record",
     [](Workshop& workshop) { return in_decimals(workshop, claimed_setup(), 2, Cut::rounded); }, false},
};

}  // namespace

std::span<const Attack> attacks() { return kAttacks; }

}  // namespace assay::attacks
