#include "engine/remote/server_info.h"

#include <algorithm>
#include <cctype>

#include "engine/remote/masked.h"

namespace assay {
namespace {

constexpr const char* kMask = "***";
constexpr std::size_t kLongWord = 24;  // letters and digits in a row

bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool in_word(char c) { return is_alnum(c) || c == '_' || c == '-'; }

// `word` is letters, digits, "_" and "-".
bool looks_secret(std::string_view word) {
  if (word.size() > 8 && (word.starts_with("hf_") || word.starts_with("sk-"))) return true;
  std::size_t run = 0;
  bool digit = false;
  bool letter = false;
  for (const char c : word) {
    if (!is_alnum(c)) {
      run = 0;
      digit = letter = false;
      continue;
    }
    ++run;
    (std::isdigit(static_cast<unsigned char>(c)) != 0 ? digit : letter) = true;
    if (run >= kLongWord && digit && letter) return true;
  }
  return false;
}

bool is_commit(const Json& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

void mask_strings(Json& value) {
  if (value.is_string()) value = kMask;
  if (value.is_structured()) {
    for (Json& element : value) mask_strings(element);
  }
}

}  // namespace

std::string mask_secrets(std::string_view text) {
  std::string masked;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = static_cast<std::size_t>(
        std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), in_word) - text.begin());
    const std::string_view word = text.substr(at, end - at);
    masked += looks_secret(word) ? kMask : word;
    if (end < text.size()) masked += text[end];
    at = end + 1;
  }
  return masked;
}

void mask_secrets(Json& value) {
  if (value.is_string()) value = mask_secrets(value.get_ref<const std::string&>());
  if (value.is_array()) {
    for (Json& element : value) mask_secrets(element);
  }
  if (!value.is_object()) return;
  for (auto& [key, member] : value.items()) {
    if (key.ends_with("revision") && is_commit(member)) continue;
    if (names_a_secret(key)) mask_strings(member);
    mask_secrets(member);
  }
}

Json find_deep(const Json& value, std::string_view key) {
  if (const auto dot = key.find('.'); dot != key.npos) {
    return find_deep(find_deep(value, key.substr(0, dot)), key.substr(dot + 1));
  }
  if (value.is_object()) {
    if (const auto found = value.find(key); found != value.end()) return *found;
  }
  if (value.is_structured()) {
    for (const Json& member : value) {
      if (Json found = find_deep(member, key); !found.is_null()) return found;
    }
  }
  return nullptr;
}

std::string short_server_info(const Json& info, std::span<const std::string_view> telling) {
  Json some = Json::object();
  const auto text = [&] { return some.dump(-1, ' ', false, Json::error_handler_t::replace); };
  for (const std::string_view key : telling) {
    Json found = find_deep(info, key);
    if (found.is_null()) continue;
    some[std::string(key)] = std::move(found);
    mask_secrets(some);
    if (text().size() > kMostServerInfo) some.erase(std::string(key));
  }
  return text();
}

}  // namespace assay
