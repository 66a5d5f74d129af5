#include "record/seed_verification.h"

#include "record/check.h"
#include "record/json_codec.h"

namespace assay {
namespace {

// Keys of our own that the seed does not have.
Result<void> read_own_metadata(const Json& metadata, const std::string& file, Verification& verification) {
  for (const auto& [key, member] :
       {std::pair{"replay", &Verification::replay},
        std::pair{"reference_fingerprint", &Verification::reference_fingerprint}}) {
    if (!metadata.contains(key)) continue;
    const auto value = json_get<std::string>(metadata, file, key);
    if (!value) return value.error();
    verification.*member = *value;
  }
  verification.rule = DistanceRule::seed;
  if (metadata.contains("distance")) {
    const auto rule = distance_rule_from_json(metadata, file, "distance");
    if (!rule) return rule.error();
    verification.rule = *rule;
  }
  if (!metadata.contains("claimed_configs")) return {};
  const auto device = lookup(verification.reference_environment, "gpu_name");
  auto claimed = setups_from_json(metadata, file, "claimed_configs", device);
  if (!claimed) return claimed.error();
  verification.claimed_setups = *std::move(claimed);
  return {};
}

}  // namespace

Result<Verification> verification_from_seed(const Json& document, const std::string& file) {
  static constexpr std::string_view kKnown[] = {"metadata", "comparisons", "prefill_analysis",
                                                "decode_analysis"};
  static constexpr std::string_view kKnownMetadata[] = {"reference_gpu",
                                                        "verifier_gpu",
                                                        "reference_file",
                                                        "reference_environment",
                                                        "verifier_environment",
                                                        "environment_validation",
                                                        "model_configs",
                                                        "timestamp",
                                                        "prefill_equivalent_pairs",
                                                        "decode_equivalent_pairs",
                                                        "replay",
                                                        "reference_fingerprint",
                                                        "distance",
                                                        "claimed_configs"};
  if (const auto known = refuse_unknown_keys(document, file, kKnown); !known) return known.error();
  const auto metadata = json_get_object(document, file, "metadata");
  if (!metadata) return metadata.error();
  if (const auto known = refuse_unknown_keys(**metadata, file, kKnownMetadata); !known) return known.error();
  const auto reference_environment = environment_from_json(**metadata, file, "reference_environment");
  const auto environment = environment_from_json(**metadata, file, "verifier_environment");
  if (!reference_environment) return reference_environment.error();
  if (!environment) return environment.error();
  const auto setups = setups_from_json(**metadata, file, "model_configs", lookup(*environment, "gpu_name"));
  const auto timestamp = json_get<std::string>(**metadata, file, "timestamp");
  const auto reference_file = json_get<std::string>(**metadata, file, "reference_file");
  const auto prefill_pairs = pairs_from_json(**metadata, file, "prefill_equivalent_pairs");
  const auto decode_pairs = pairs_from_json(**metadata, file, "decode_equivalent_pairs");
  if (!setups) return setups.error();
  const auto comparisons = comparisons_from_json(document, file, "comparisons", *setups);
  if (!timestamp) return timestamp.error();
  if (!reference_file) return reference_file.error();
  if (!prefill_pairs) return prefill_pairs.error();
  if (!decode_pairs) return decode_pairs.error();
  if (!comparisons) return comparisons.error();
  Verification verification;
  verification.environment = *environment;
  verification.setups = *setups;
  verification.timestamp = *timestamp;
  verification.reference_file = *reference_file;
  verification.reference_environment = *reference_environment;
  verification.prefill_equivalent_pairs = *prefill_pairs;
  verification.decode_equivalent_pairs = *decode_pairs;
  verification.comparisons = *comparisons;
  if (const auto own = read_own_metadata(**metadata, file, verification); !own) return own.error();
  if (const auto checked = check_verification(verification, file); !checked) return checked.error();
  return verification;
}

}  // namespace assay
