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
  for (EnvironmentDifference& entry : setup_mismatches(reference, verifier)) {
    entry.key = reference.name + "." + entry.key;
    validation.critical.push_back(std::move(entry));
  }
  if (reference.device != verifier.device) {
    validation.expected.push_back({reference.name + ".device", reference.device, verifier.device});
  }
}

bool same_kernel_ran(const Setup& a, const Setup& b) {
  const std::string kernel = lookup(a.ran, "kernel");
  return !kernel.empty() && kernel == lookup(b.ran, "kernel");
}

}  // namespace

std::vector<EnvironmentDifference> setup_mismatches(const Setup& claimed, const Setup& verifier) {
  std::vector<EnvironmentDifference> mismatches;
  const auto differ = [&](const char* key, const std::string& a, const std::string& b) {
    if (a != b) mismatches.push_back({key, a, b});
  };
  differ("quantization", claimed.quantization, verifier.quantization);
  differ("dtype", claimed.dtype, verifier.dtype);
  if (!claimed.weights_sha256.empty() && !verifier.weights_sha256.empty()) {
    differ("weights_sha256", claimed.weights_sha256, verifier.weights_sha256);
  }
  if (!claimed.profile.empty() && !verifier.profile.empty()) {
    differ("profile", claimed.profile, verifier.profile);
    if (!same_kernel_ran(claimed, verifier)) differ("kernel", claimed.kernel, verifier.kernel);
  }
  if (claimed.prefill_tokens > 0 && verifier.prefill_tokens > 0) {
    differ("prefill_tokens", std::to_string(claimed.prefill_tokens), std::to_string(verifier.prefill_tokens));
  }
  return mismatches;
}

bool same_program(const Verification& verification) {
  return std::all_of(std::begin(kCriticalKeys), std::end(kCriticalKeys), [&](std::string_view key) {
    return lookup(verification.reference_environment, key) == lookup(verification.environment, key);
  });
}

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
