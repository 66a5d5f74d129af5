// SHA-256 (FIPS 180-4) through OpenSSL, for content hashes in manifests.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace assay {

// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::span<const std::byte> bytes);
std::string sha256_hex(std::string_view text);

}  // namespace assay
