// A lock between processes and threads: flock on a file, as huggingface_hub takes it. Given back by the destructor,
// and by the system when the process dies. Move-only.
#pragma once

#include <filesystem>
#include <optional>

#include "base/descriptor.h"
#include "base/error.h"

namespace assay {

class FileLock {
 public:
  // Makes the file and its folder where they are missing. Nothing: another holds it. Error: the file cannot be made
  // or locked.
  static Result<std::optional<FileLock>> try_take(const std::filesystem::path& path);

 private:
  explicit FileLock(Descriptor file) : file_(std::move(file)) {}

  Descriptor file_;
};

}  // namespace assay
