#include "engine/remote/masked.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "http/reply_words.h"

extern char** environ;

namespace assay {
namespace {

constexpr std::size_t kLeastSecret = 8;  // shorter values are words that any text may hold

}  // namespace

bool names_a_secret(std::string_view name) {
  std::string low(name);
  std::transform(low.begin(), low.end(), low.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (std::size_t at; (at = low.find("tokeniz")) != std::string::npos;) low.erase(at, 7);
  constexpr std::string_view kWords[] = {"key", "token", "secret", "password", "credential", "auth"};
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](std::string_view word) { return low.find(word) != std::string::npos; });
}

std::string masked(std::string text) {
  std::vector<std::string_view> secrets;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    const std::size_t equals = variable.find('=');
    if (equals == std::string_view::npos || !names_a_secret(variable.substr(0, equals))) continue;
    const std::string_view value = variable.substr(equals + 1);
    if (value.size() >= kLeastSecret) secrets.push_back(value);
  }
  // One may begin another.
  std::sort(secrets.begin(), secrets.end(), [](auto a, auto b) { return a.size() > b.size(); });
  for (const std::string_view secret : secrets) {
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
      text.replace(at, secret.size(), "***");
      at += 3;
    }
  }
  return text;
}

std::string masked_words_of(const HttpReply& reply) {
  HttpReply shown = reply;
  shown.body = masked(std::move(shown.body));
  return words_of(shown, std::nullopt);
}

}  // namespace assay
