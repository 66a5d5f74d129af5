// manifest.json: what a run folder says of itself. Internal to record.
#pragma once

#include <string>
#include <variant>

#include "base/error.h"
#include "base/json.h"
#include "record/record.h"

namespace assay {

inline constexpr Index kSchemaVersion = 3;

// SHA-256 of the folder's other files, and of the content (record/fingerprint.h).
struct ManifestHashes {
  std::string sequences;
  std::string logprobs;
  std::string fingerprint;
};

struct Manifest {
  ManifestHashes hashes;
  std::variant<Record, Verification> content;  // without what sequences.jsonl holds
};

Json manifest_to_json(const Record& record, const ManifestHashes& hashes);
Json manifest_to_json(const Verification& verification, const ManifestHashes& hashes);

// Error: another schema version, an unknown kind, an unknown or missing key.
Result<Manifest> manifest_from_json(const Json& json, const std::string& file);

}  // namespace assay
