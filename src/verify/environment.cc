#include "verify/environment.h"

#include <algorithm>

namespace assay {
namespace {

const Setup* find(const std::vector<Setup>& setups, const std::string& name) {
  const auto found =
      std::find_if(setups.begin(), setups.end(), [&](const Setup& setup) { return setup.name == name; });
  return found == setups.end() ? nullptr : &*found;
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
    const Setup* verifier = find(verification.setups, reference.name);
    if (verifier != nullptr) compare_setups(reference, *verifier, validation);
  }
  std::copy_if(validation.critical.begin(), validation.critical.end(),
               std::back_inserter(validation.mismatches),
               [](const EnvironmentDifference& entry) { return entry.reference != entry.verifier; });
  return validation;
}

}  // namespace assay
