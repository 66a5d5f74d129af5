// Where a model's files are, and what they hash to.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {

// A folder, or "organisation/name" in the Hugging Face cache: HF_HUB_CACHE, else HF_HOME/hub, else
// XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub; there
// models--organisation--name/snapshots/<content of refs/main>. A folder goes first. Error: neither; lists
// where it looked. Never downloads.
Result<std::filesystem::path> find_model(std::string_view name);

struct FileHash {
  std::string name;  // within the folder
  std::size_t size = 0;
  std::string sha256;  // hexadecimal
  bool operator==(const FileHash&) const = default;
};

// Of each folder what fixes a model's numbers and tokens, by name: its config files, the index, every
// *.safetensors, the tokenizer. A file goes to one thread, all files go in parallel. Error: a file cannot be
// read.
Result<std::vector<std::vector<FileHash>>> hash_files(std::span<const std::filesystem::path> folders,
                                                      ThreadPool& pool);

// One hash of all of them: SHA-256 of the lines "<sha256>  <name>\n".
std::string hash_of_model(const std::vector<FileHash>& files);

}  // namespace assay
