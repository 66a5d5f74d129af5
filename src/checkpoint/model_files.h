// What a model's files hash to.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"

namespace assay {

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
