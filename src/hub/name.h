// Names on the Hub, and which of them may become a part of a path.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace assay {

struct HubName {
  std::string repository;         // "organisation/name"
  std::string revision = "main";  // branch, tag or commit
  bool operator==(const HubName&) const = default;
};

// "organisation/name" or "organisation/name@revision"; nothing: it is not of this form.
std::optional<HubName> parse_hub_name(std::string_view text);

// Letters, digits, '-', '_' and '.', not beginning with '.': one component of a path, and nothing else.
bool is_plain_name(std::string_view name);

// So many lower-case hexadecimal digits.
bool is_hex(std::string_view text, std::size_t digits);

inline constexpr std::size_t kSha1Digits = 40;  // of a commit and of a git blob
inline constexpr std::size_t kSha256Digits = 64;

// Components that are neither empty nor "." nor "..", joined by '/', without control characters and backslashes: stays
// inside the folder that it is put behind.
bool stays_inside(std::string_view path);

// RFC 3986: all but letters, digits, '-', '.', '_' and '~' as %XX; '/' as well, unless `keep_slashes`.
std::string percent_encoded(std::string_view text, bool keep_slashes);

}  // namespace assay
