#include "base/base64.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <limits>

namespace assay {
namespace {

constexpr std::size_t kMost = std::numeric_limits<int>::max() / 2;  // OpenSSL counts in int

bool in_alphabet(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string base64_of(std::string_view bytes) {
  require(bytes.size() <= kMost, "at most 1 GiB becomes base64");
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes_of(bytes),
                  static_cast<int>(bytes.size()));
  text.pop_back();
  return text;
}

// OpenSSL takes spaces at the ends, and "=" for a zero anywhere.
Result<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.size() > kMost) {
    return Error{"", "base64", "groups of 4 characters, 1 GiB at most",
                 fmt::format("{} characters", text.size())};
  }
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const std::string_view digits = text.substr(0, text.size() - padding);
  const auto wrong = std::find_if_not(digits.begin(), digits.end(), in_alphabet);
  if (wrong != digits.end()) {
    return Error{"", "base64", "letters, digits, + and /",
                 fmt::format("another character at {}", wrong - digits.begin())};
  }
  std::string bytes(text.size() / 4 * 3, '\0');
  EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()), bytes_of(text),
                  static_cast<int>(text.size()));
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace assay
