// What of two environments must agree, and what is expected to differ.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "record/record.h"

namespace assay {

// Software that fixes bits. A key that only one side has is a mismatch; one that neither has is not listed.
inline constexpr std::string_view kCriticalKeys[] = {"assay_version", "numerics_version", "vllm_version",
                                                     "torch_version", "cuda_version"};
// Hardware and host: listed, never counted.
inline constexpr std::string_view kExpectedDifferences[] = {"gpu_name", "cpu_name", "driver_version",
                                                            "hostname", "os"};

// Empty values were not recorded.
struct EnvironmentDifference {
  std::string key;
  std::string reference;
  std::string verifier;
  bool operator==(const EnvironmentDifference&) const = default;
};

struct EnvironmentValidation {
  std::vector<EnvironmentDifference> critical;  // equal ones among them, as they are printed too
  std::vector<EnvironmentDifference> expected;
  std::vector<EnvironmentDifference> mismatches;  // the unequal ones of critical
  bool valid() const { return mismatches.empty(); }
};

// The critical words in which a verifier's setup is not what the claim says, under bare keys ("dtype").
// Kernels are equal too where both sides ran the same (Setup::ran), whoever chose it.
std::vector<EnvironmentDifference> setup_mismatches(const Setup& claimed, const Setup& verifier);

// Whether the software that fixes bits (kCriticalKeys) is the same on both sides.
bool same_program(const Verification& verification);

// Setups of one name must agree in quantization, dtype and (where both recorded them) weights_sha256,
// profile, kernel and prefill_tokens; those that do not are critical too, with a key like "awq.dtype". A
// device that differs is an expected difference. Of several verifier setups of one name, the one under the
// claimed device counts, else the first.
EnvironmentValidation validate_environment(const Verification& verification);

}  // namespace assay
