// What a remote engine must know of a model that it does not load.
#pragma once

#include <filesystem>

#include "base/error.h"
#include "base/index.h"

namespace assay {

struct ModelExtents {
  Index vocabulary = 0;
  Index context = 0;
};

// vocab_size and max_position_embeddings of folder/config.json, of its text_config where it has one. Of any
// architecture: nothing else is read. Error: no such file, no such number, one below 1.
Result<ModelExtents> read_model_extents(const std::filesystem::path& folder);

}  // namespace assay
