#include "verify/environment.h"

#include <algorithm>

namespace assay {
namespace {

// The setup of the claim's name, best under the claim's device.
const Setup* find(const std::vector<Setup>& setups, const Setup& claim) {
  const Setup* best = nullptr;
  for (const Setup& setup : setups) {
    if (setup.name != claim.name) continue;
    if (best == nullptr || (setup.device == claim.device && best->device != claim.device)) best = &setup;
  }
  return best;
}

void compare_setups(const Setup& reference, const Setup& verifier, EnvironmentValidation& validation) {
  const auto differ = [&](const char* key, const std::string& a, const std::string& b, auto& list) {
    if (a != b) list.push_back({reference.name + "." + key, a, b});
  };
  differ("quantization", reference.quantization, verifier.quantization, validation.critical);
  differ("dtype", reference.dtype, verifier.dtype, validation.critical);
  if (!reference.weights_sha256.empty() && !verifier.weights_sha256.empty()) {
    differ("weights_sha256", reference.weights_sha256, verifier.weights_sha256, validation.critical);
  }
  if (!reference.profile.empty() && !verifier.profile.empty()) {
    differ("profile", reference.profile, verifier.profile, validation.critical);
    differ("kernel", reference.kernel, verifier.kernel, validation.critical);
  }
  if (reference.prefill_tokens > 0 && verifier.prefill_tokens > 0) {
    differ("prefill_tokens", std::to_string(reference.prefill_tokens),
           std::to_string(verifier.prefill_tokens), validation.critical);
  }
  differ("device", reference.device, verifier.device, validation.expected);
}

}  // namespace

EnvironmentValidation validate_environment(const Verification& verification) {
  EnvironmentValidation validation;
  const auto list = [&](std::string_view key, std::vector<EnvironmentDifference>& into) {
    EnvironmentDifference entry{std::string(key), lookup(verification.reference_environment, key),
                                lookup(verification.environment, key)};
    if (!entry.reference.empty() || !entry.verifier.empty()) into.push_back(std::move(entry));
  };
  for (const std::string_view key : kCriticalKeys) list(key, validation.critical);
  for (const std::string_view key : kExpectedDifferences) list(key, validation.expected);
  for (const Setup& reference : verification.claimed_setups) {
    const Setup* verifier = find(verification.setups, reference);
    if (verifier != nullptr) compare_setups(reference, *verifier, validation);
  }
  std::copy_if(validation.critical.begin(), validation.critical.end(),
               std::back_inserter(validation.mismatches),
               [](const EnvironmentDifference& entry) { return entry.reference != entry.verifier; });
  return validation;
}

}  // namespace assay
