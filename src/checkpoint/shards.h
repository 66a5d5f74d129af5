// Which *.safetensors files a model folder consists of.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/safetensors.h"

namespace assay {

struct Shards {
  std::vector<std::filesystem::path> files;  // by name
  std::filesystem::path index;               // model.safetensors.index.json; empty if the folder has none
  std::map<std::string, std::string, std::less<>> file_of;  // tensor -> file name, as the index has it
};

// As Weights::open says.
Result<Shards> find_shards(const std::filesystem::path& folder);

// Error: a tensor of the index that is not in its file, or one of `tensors` that the index does not put
// there.
Result<void> check_index(const Shards& shards, const std::map<std::string, Tensor, std::less<>>& tensors);

}  // namespace assay
