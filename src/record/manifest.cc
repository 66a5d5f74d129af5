#include "record/manifest.h"

#include "record/json_codec.h"
#include "record/settings_json.h"

namespace assay {
namespace {

constexpr const char* kGeneration = "generation";
constexpr const char* kVerification = "verification";

// `device` is always written here: the default that setups_to_json leaves out is one that no setup has.
constexpr const char* kNoDevice = "";

Json head(const char* kind, const std::string& timestamp, const ManifestHashes& hashes) {
  return {{"schema", "assay run"},
          {"schema_version", kSchemaVersion},
          {"kind", kind},
          {"timestamp", timestamp},
          {"hashes", {{"sequences.jsonl", hashes.sequences}, {"logprobs.safetensors", hashes.logprobs}}},
          {"fingerprint", hashes.fingerprint}};
}

Result<ManifestHashes> hashes_from_json(const Json& json, const std::string& file) {
  static constexpr std::string_view kKnown[] = {"sequences.jsonl", "logprobs.safetensors"};
  const auto object = json_get_object(json, file, "hashes");
  if (!object) return object.error();
  if (const auto known = refuse_unknown_keys(**object, file, kKnown); !known) return known.error();
  const auto sequences = json_get<std::string>(**object, file, "sequences.jsonl");
  const auto logprobs = json_get<std::string>(**object, file, "logprobs.safetensors");
  const auto fingerprint = json_get<std::string>(json, file, "fingerprint");
  if (!sequences) return sequences.error();
  if (!logprobs) return logprobs.error();
  if (!fingerprint) return fingerprint.error();
  return ManifestHashes{*sequences, *logprobs, *fingerprint};
}

Result<Record> record_from_json(const Json& json, const std::string& file) {
  static constexpr std::string_view kKnown[] = {"schema",   "schema_version", "kind",        "timestamp",
                                                "hashes",   "fingerprint",    "environment", "setups",
                                                "settings", "noise_floors"};
  if (const auto known = refuse_unknown_keys(json, file, kKnown); !known) return known.error();
  const auto environment = environment_from_json(json, file, "environment");
  const auto setups = setups_from_json(json, file, "setups", kNoDevice);
  const auto settings = settings_from_json(json, file, "settings");
  const auto timestamp = json_get<std::string>(json, file, "timestamp");
  const auto floors = noise_floors_from_json(json, file, "noise_floors");
  if (!environment) return environment.error();
  if (!setups) return setups.error();
  if (!settings) return settings.error();
  if (!timestamp) return timestamp.error();
  if (!floors) return floors.error();
  return Record{*environment, *setups, *settings, *timestamp, {}, *floors};
}

Result<Verification> verification_from_json(const Json& json, const std::string& file) {
  static constexpr std::string_view kKnown[] = {"schema",
                                                "schema_version",
                                                "kind",
                                                "timestamp",
                                                "hashes",
                                                "fingerprint",
                                                "environment",
                                                "setups",
                                                "replay",
                                                "distance",
                                                "reference_file",
                                                "reference_fingerprint",
                                                "comparisons",
                                                "reference_environment",
                                                "claimed_setups",
                                                "claimed_settings",
                                                "alpha",
                                                "delta",
                                                "prefill_equivalent_pairs",
                                                "decode_equivalent_pairs"};
  if (const auto known = refuse_unknown_keys(json, file, kKnown); !known) return known.error();
  Verification verification;
  for (const auto& [key, member] :
       {std::pair{"timestamp", &Verification::timestamp}, std::pair{"replay", &Verification::replay},
        std::pair{"reference_file", &Verification::reference_file},
        std::pair{"reference_fingerprint", &Verification::reference_fingerprint}}) {
    const auto value = json_get<std::string>(json, file, key);
    if (!value) return value.error();
    verification.*member = *value;
  }
  auto environment = environment_from_json(json, file, "environment");
  auto reference_environment = environment_from_json(json, file, "reference_environment");
  auto setups = setups_from_json(json, file, "setups", kNoDevice);
  auto claimed = setups_from_json(json, file, "claimed_setups", kNoDevice);
  auto claimed_settings = settings_from_json(json, file, "claimed_settings");
  auto prefill_pairs = pairs_from_json(json, file, "prefill_equivalent_pairs");
  auto decode_pairs = pairs_from_json(json, file, "decode_equivalent_pairs");
  auto rule = distance_rule_from_json(json, file, "distance");
  if (!setups) return setups.error();
  auto comparisons = comparisons_from_json(json, file, "comparisons", *setups);
  if (!environment) return environment.error();
  if (!reference_environment) return reference_environment.error();
  if (!claimed) return claimed.error();
  if (!claimed_settings) return claimed_settings.error();
  const auto alpha = json_get<double>(json, file, "alpha");
  const auto delta = json_get<double>(json, file, "delta");
  if (!alpha) return alpha.error();
  if (!delta) return delta.error();
  if (!prefill_pairs) return prefill_pairs.error();
  if (!decode_pairs) return decode_pairs.error();
  if (!rule) return rule.error();
  if (!comparisons) return comparisons.error();
  verification.environment = *std::move(environment);
  verification.reference_environment = *std::move(reference_environment);
  verification.setups = *std::move(setups);
  verification.claimed_setups = *std::move(claimed);
  verification.claimed_settings = *claimed_settings;
  verification.alpha = *alpha;
  verification.delta = *delta;
  verification.prefill_equivalent_pairs = *std::move(prefill_pairs);
  verification.decode_equivalent_pairs = *std::move(decode_pairs);
  verification.rule = *rule;
  verification.comparisons = *std::move(comparisons);
  return verification;
}

}  // namespace

Json manifest_to_json(const Record& record, const ManifestHashes& hashes) {
  Json json = head(kGeneration, record.timestamp, hashes);
  json["environment"] = environment_to_json(record.environment);
  json["setups"] = setups_to_json(record.setups, kNoDevice);
  json["settings"] = settings_to_json(record.settings);
  json["noise_floors"] = noise_floors_to_json(record.noise_floors);
  return json;
}

Json manifest_to_json(const Verification& verification, const ManifestHashes& hashes) {
  Json json = head(kVerification, verification.timestamp, hashes);
  json["environment"] = environment_to_json(verification.environment);
  json["setups"] = setups_to_json(verification.setups, kNoDevice);
  json["replay"] = verification.replay;
  json["distance"] = word(verification.rule);
  json["reference_file"] = verification.reference_file;
  json["reference_fingerprint"] = verification.reference_fingerprint;
  json["reference_environment"] = environment_to_json(verification.reference_environment);
  json["claimed_setups"] = setups_to_json(verification.claimed_setups, kNoDevice);
  json["claimed_settings"] = settings_to_json(verification.claimed_settings);
  json["alpha"] = verification.alpha;
  json["delta"] = verification.delta;
  json["prefill_equivalent_pairs"] = pairs_to_json(verification.prefill_equivalent_pairs);
  json["decode_equivalent_pairs"] = pairs_to_json(verification.decode_equivalent_pairs);
  json["comparisons"] = comparisons_to_json(verification.comparisons, verification.setups);
  return json;
}

Result<Manifest> manifest_from_json(const Json& json, const std::string& file) {
  const auto schema = json_get<std::string>(json, file, "schema");
  if (!schema) return schema.error();
  if (*schema != "assay run") return Error{file, "schema", "assay run", *schema};
  const auto version = json_get<Index>(json, file, "schema_version");
  if (!version) return version.error();
  if (*version != kSchemaVersion) {
    return Error{file, "schema_version", std::to_string(kSchemaVersion), std::to_string(*version)};
  }
  const auto hashes = hashes_from_json(json, file);
  if (!hashes) return hashes.error();
  const auto kind = json_get<std::string>(json, file, "kind");
  if (!kind) return kind.error();
  if (*kind == kGeneration) {
    auto record = record_from_json(json, file);
    if (!record) return record.error();
    return Manifest{*hashes, *std::move(record)};
  }
  if (*kind == kVerification) {
    auto verification = verification_from_json(json, file);
    if (!verification) return verification.error();
    return Manifest{*hashes, *std::move(verification)};
  }
  return Error{file, "kind", "generation or verification", *kind};
}

}  // namespace assay
