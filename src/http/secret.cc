#include "http/secret.h"

#include <cstdlib>

namespace assay {
namespace {

constexpr std::string_view kHidden = "***";

bool is_printable(char c) { return c > 0x20 && c < 0x7f; }

}  // namespace

Result<Secret> Secret::from_environment(const std::string& variable) {
  const char* value = std::getenv(variable.c_str());
  const Error wrong{"environment", variable, "a token of printable ASCII characters", ""};
  const auto refuse = [&](const char* found) {
    Error error = wrong;
    error.found = found;
    return error;
  };
  if (value == nullptr) return refuse("nothing (the variable is not set)");
  const std::string text = value;
  if (text.empty()) return refuse("an empty value");
  for (const char c : text) {
    if (!is_printable(c)) return refuse("a value with a space, a control or a non-ASCII character");
  }
  return Secret(text);
}

std::string Secret::hide_in(std::string text) const {
  if (value_.empty()) return text;
  for (std::size_t at = text.find(value_); at != std::string::npos; at = text.find(value_, at)) {
    text.replace(at, value_.size(), kHidden);
    at += kHidden.size();
  }
  return text;
}

}  // namespace assay
