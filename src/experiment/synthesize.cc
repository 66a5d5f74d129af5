#include "experiment/synthesize.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/file.h"
#include "checkpoint/synthetic_model.h"
#include "tokenizer/byte_tokenizer.h"
#include "tokenizer/tokenizer.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShardBytes = 1'000'000'000;

// A folder that is gone again unless it was given its final name.
class UnfinishedFolder {
 public:
  explicit UnfinishedFolder(fs::path path) : path_(std::move(path)) {}
  UnfinishedFolder(const UnfinishedFolder&) = delete;
  UnfinishedFolder& operator=(const UnfinishedFolder&) = delete;
  ~UnfinishedFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

Result<std::string> tokenizer_text(const SynthesisOptions& options, Index vocabulary) {
  if (!options.tokenizer) {
    return byte_tokenizer({}, {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}).dump() + "\n";
  }
  auto text = read_text(*options.tokenizer);
  if (!text) return text.error();
  const auto tokenizer = Tokenizer::parse(*text, options.tokenizer->string());
  if (!tokenizer) return tokenizer.error();
  if (tokenizer->vocabulary_size() > vocabulary) {
    return Error{options.tokenizer->string(), "vocabulary", fmt::format("at most {} tokens", vocabulary),
                 std::to_string(tokenizer->vocabulary_size())};
  }
  return text;
}

Result<Index> shard_count(const SynthesisOptions& options, const std::vector<SyntheticTensor>& tensors,
                          std::size_t bytes) {
  if (!options.shards) return static_cast<Index>((bytes + kShardBytes - 1) / kShardBytes);
  if (*options.shards >= 1 && *options.shards <= static_cast<Index>(tensors.size())) return *options.shards;
  return Error{"", "--shards", fmt::format("1 to {}, the number of tensors", tensors.size()),
               std::to_string(*options.shards)};
}

}  // namespace

Result<Synthesized> synthesize(const SynthesisOptions& options, const fs::path& folder, ThreadPool& pool,
                               const std::function<bool()>& stopped) {
  const fs::path final_path = folder.has_filename() ? folder : folder.parent_path();
  std::error_code problem;
  if (fs::exists(fs::symlink_status(final_path, problem))) {
    return Error{final_path.string(), "", "a new folder", "one that exists"};
  }
  const auto config_text = synthetic_config(options.shape, options.quantization, options.seed);
  if (!config_text) return config_text.error();
  const auto config = parse_config(*config_text, "config.json");
  if (!config) return config.error();
  const auto tokenizer = tokenizer_text(options, config->vocabulary_size);
  if (!tokenizer) return tokenizer.error();
  const std::vector<SyntheticTensor> tensors = synthetic_tensors(*config);
  Synthesized made;
  for (const SyntheticTensor& tensor : tensors) made.bytes += size_in_bytes(tensor.entry);
  const auto shards = shard_count(options, tensors, made.bytes);
  if (!shards) return shards.error();
  made.shards = *shards;

  const UnfinishedFolder unfinished(final_path.string() + ".tmp" + std::to_string(::getpid()));
  fs::create_directories(unfinished.path(), problem);
  if (problem) return Error{unfinished.path().string(), "", "a folder that can be made", problem.message()};
  const std::pair<const char*, const std::string&> texts[] = {{"config.json", *config_text},
                                                              {"tokenizer.json", *tokenizer}};
  for (const auto& [name, text] : texts) {
    if (auto written = write_atomically(unfinished.path() / name, text); !written) return written.error();
  }
  const auto written = write_synthetic_weights(
      unfinished.path(), tensors, split_into_shards(tensors, *shards), options.seed, pool, stopped);
  if (!written) return written.error();
  fs::rename(unfinished.path(), final_path, problem);
  if (problem) return Error{final_path.string(), "", "a folder that can be renamed", problem.message()};
  return made;
}

}  // namespace assay
