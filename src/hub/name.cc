#include "hub/name.h"

#include <fmt/format.h>

#include <algorithm>

namespace assay {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// As is_plain_name; the Hub also keeps "--" for the names of cache folders, and has no "..".
bool is_repository_part(std::string_view name) {
  return is_plain_name(name) && name.find("--") == std::string_view::npos &&
         name.find("..") == std::string_view::npos;
}

}  // namespace

bool is_plain_name(std::string_view name) {
  const auto allowed = [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; };
  return !name.empty() && name[0] != '.' && std::all_of(name.begin(), name.end(), allowed);
}

bool is_hex(std::string_view text, std::size_t digits) {
  const auto allowed = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == digits && std::all_of(text.begin(), text.end(), allowed);
}

bool stays_inside(std::string_view path) {
  const auto forbidden = [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\';
  };
  if (std::any_of(path.begin(), path.end(), forbidden)) return false;
  while (true) {
    const std::size_t slash = path.find('/');
    const auto component = path.substr(0, slash);
    if (component.empty() || component == "." || component == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

std::optional<HubName> parse_hub_name(std::string_view text) {
  HubName name;
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    name.revision = text.substr(at + 1);
    text = text.substr(0, at);
  }
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  if (!is_repository_part(text.substr(0, slash)) || !is_repository_part(text.substr(slash + 1))) {
    return std::nullopt;
  }
  if (!stays_inside(name.revision)) return std::nullopt;
  name.repository = text;
  return name;
}

std::string percent_encoded(std::string_view text, bool keep_slashes) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain || (keep_slashes && c == '/')) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

}  // namespace assay
