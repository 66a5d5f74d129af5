// What the Hub names a blob by.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "base/error.h"

namespace assay {

// SHA-1 of "blob {size}\0" and the bytes, as git names them; 40 lower-case hexadecimal digits. Tells one content from
// another, and is no proof against a forger.
std::string git_blob_sha1(std::span<const std::byte> bytes);

// The file's hash of as many digits as `like` has: SHA-256 for 64, git_blob_sha1 for 40. Error: the file cannot be
// read.
Result<std::string> hash_like(const std::filesystem::path& file, const std::string& like);

}  // namespace assay
