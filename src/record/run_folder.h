// Records on disk. A run folder holds
//   manifest.json         schema version, setups, environment, settings, hashes of the other two files
//   sequences.jsonl       a line for each generation: token ids, and where its scores are; of a verification
//                         the claims' lines, then one for each re-execution
//   logprobs.safetensors  ids int32, logprob float32, rank int32: the scores of all lines, one after another
// and reads back with the same bits. docs/records.md is the format's page.
#pragma once

#include <filesystem>
#include <variant>

#include "base/error.h"
#include "record/record.h"

namespace assay {

enum class RecordFormat : std::uint8_t { run_folder, seed_json };

struct LoadedRecord {
  RecordFormat format = RecordFormat::run_folder;
  std::variant<Record, Verification> content;

  // The rule that the file's own tables were made with: of a verification, the one that it states; of a
  // record, seed for the seed's JSON and every_id for a run folder.
  DistanceRule rule() const;
};

// Reads a run folder, or a JSON file of the seed's schema (generation or verification). Everything is checked
// (record/check.h), also the hashes; the error names the file and the key.
Result<LoadedRecord> read_record(const std::filesystem::path& path);

// As read_record, and the file must hold a record (not a verification), respectively the other way round.
Result<Record> read_generation(const std::filesystem::path& path);
Result<Verification> read_verification(const std::filesystem::path& path);

// Writes the three files, the manifest last: a folder with a manifest is complete. Overwrites. Error: what
// check_record (check_verification) refuses, or a file that cannot be written.
Result<void> write_record(const std::filesystem::path& folder, const Record& record);
Result<void> write_verification(const std::filesystem::path& folder, const Verification& verification);

}  // namespace assay
