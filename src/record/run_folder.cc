#include "record/run_folder.h"

#include <type_traits>

#include "base/file.h"
#include "base/sha256.h"
#include "record/check.h"
#include "record/fingerprint.h"
#include "record/infinite_json.h"
#include "record/manifest.h"
#include "record/score_tensors.h"
#include "record/seed_json.h"
#include "record/sequence_index.h"

namespace assay {
namespace {

constexpr const char* kManifest = "manifest.json";
constexpr const char* kSequences = "sequences.jsonl";
constexpr const char* kLogprobs = "logprobs.safetensors";

template <class Run>
Result<void> write_run(const std::filesystem::path& folder, const Run& run,
                       const IndexedSequences& sequences) {
  const std::string tensors = encode_scores(sequences.scores);
  const ManifestHashes hashes{sha256_hex(sequences.lines), sha256_hex(tensors), fingerprint(run)};
  if (auto written = write_atomically(folder / kSequences, sequences.lines); !written) return written;
  if (auto written = write_atomically(folder / kLogprobs, tensors); !written) return written;
  return write_atomically(folder / kManifest, dump_json(manifest_to_json(run, hashes)));
}

Result<void> check_hash(const std::filesystem::path& path, const std::string& expected,
                        const std::string& found) {
  if (expected == found) return {};
  return Error{path.string(), "sha256", expected + " (manifest.json)", found};
}

Result<void> check(const Record& record, const std::string& file) { return check_record(record, file); }
Result<void> check(const Verification& verification, const std::string& file) {
  return check_verification(verification, file);
}

Result<LoadedRecord> read_folder(const std::filesystem::path& folder) {
  const std::string manifest_file = (folder / kManifest).string();
  const auto json = read_infinite_json(folder / kManifest);
  if (!json) return json.error();
  auto manifest = manifest_from_json(*json, manifest_file);
  if (!manifest) return manifest.error();

  IndexedSequences sequences;
  auto lines = read_text(folder / kSequences);
  if (!lines) return lines.error();
  sequences.lines = *std::move(lines);
  const auto tensors = MappedFile::open(folder / kLogprobs);
  if (!tensors) return tensors.error();
  const ManifestHashes& hashes = manifest->hashes;
  auto checked = check_hash(folder / kSequences, hashes.sequences, sha256_hex(sequences.lines));
  if (checked) checked = check_hash(folder / kLogprobs, hashes.logprobs, sha256_hex(tensors->bytes()));
  if (!checked) return checked.error();
  auto scores = decode_scores(tensors->bytes(), (folder / kLogprobs).string());
  if (!scores) return scores.error();
  sequences.scores = *std::move(scores);

  const auto completed = std::visit(
      [&](auto& content) -> Result<void> {
        auto joined = join_sequences(sequences, (folder / kSequences).string(), content);
        return joined ? check(content, manifest_file) : joined;
      },
      manifest->content);
  if (!completed) return completed.error();
  const auto found = std::visit([](const auto& content) { return fingerprint(content); }, manifest->content);
  if (found != hashes.fingerprint) return Error{manifest_file, "fingerprint", hashes.fingerprint, found};
  return LoadedRecord{RecordFormat::run_folder, std::move(manifest->content)};
}

template <class Run>
Result<Run> read_as(const std::filesystem::path& path, const char* expected, const char* other) {
  auto loaded = read_record(path);
  if (!loaded) return loaded.error();
  Run* run = std::get_if<Run>(&loaded->content);
  if (run == nullptr) return Error{path.string(), "", expected, other};
  return std::move(*run);
}

}  // namespace

DistanceRule LoadedRecord::rule() const {
  if (const auto* verification = std::get_if<Verification>(&content)) return verification->rule;
  return format == RecordFormat::seed_json ? DistanceRule::seed : DistanceRule::every_id;
}

Result<LoadedRecord> read_record(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return read_folder(path);
  const auto json = read_infinite_json(path);
  if (!json) return json.error();
  auto content = from_seed_json(*json, path.string());
  if (!content) return content.error();
  return LoadedRecord{RecordFormat::seed_json, *std::move(content)};
}

Result<Record> read_generation(const std::filesystem::path& path) {
  return read_as<Record>(path, "a generation record", "a verification");
}

Result<Verification> read_verification(const std::filesystem::path& path) {
  return read_as<Verification>(path, "a verification", "a generation record");
}

Result<void> write_record(const std::filesystem::path& folder, const Record& record) {
  if (auto checked = check_record(record, folder.string()); !checked) return checked;
  return write_run(folder, record, index_sequences(record));
}

Result<void> write_verification(const std::filesystem::path& folder, const Verification& verification) {
  if (auto checked = check_verification(verification, folder.string()); !checked) return checked;
  return write_run(folder, verification, index_sequences(verification));
}

}  // namespace assay
