#include "hub/environment.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "base/file.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::optional<fs::path> path_of(const char* name) {
  const std::string value = variable(name);
  if (value.empty()) return std::nullopt;
  const std::string home = variable("HOME");
  if (value.starts_with("~/") && !home.empty()) return fs::path(home) / value.substr(2);
  return fs::path(value);
}

std::optional<fs::path> hub_home() {
  if (const auto home = path_of("HF_HOME")) return home;
  if (const auto cache = path_of("XDG_CACHE_HOME")) return *cache / "huggingface";
  if (const auto home = path_of("HOME")) return *home / ".cache" / "huggingface";
  return std::nullopt;
}

Result<std::string> endpoint_of(std::string url) {
  const Error wrong{"", "HF_ENDPOINT", "an http or https URL without user, password, query and fragment",
                    "another form"};  // not shown: it may hold a password
  while (url.ends_with('/')) url.pop_back();
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!url.starts_with(scheme) || url.size() == scheme.size()) continue;
    const bool strange = std::any_of(url.begin(), url.end(), [](char c) {
      return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '@' || c == '?' || c == '#';
    });
    if (strange) return wrong;
    return url;
  }
  return wrong;
}

Result<bool> truth_of(const char* name) {
  static constexpr std::array<std::string_view, 4> kTrue = {"1", "true", "yes", "on"};
  static constexpr std::array<std::string_view, 5> kFalse = {"", "0", "false", "no", "off"};
  std::string value = variable(name);
  std::transform(value.begin(), value.end(), value.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (std::find(kTrue.begin(), kTrue.end(), value) != kTrue.end()) return true;
  if (std::find(kFalse.begin(), kFalse.end(), value) != kFalse.end()) return false;
  return Error{"", name, "1, true, yes, on, 0, false, no or off", value};
}

// Nothing: the file is not there or is empty.
Result<std::optional<Secret>> token_in(const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return std::optional<Secret>();
  auto text = read_text(file);
  if (!text) return text.error();
  std::string token = text->substr(0, text->find('\n'));
  while (!token.empty() && (token.back() == ' ' || token.back() == '\r')) token.pop_back();
  if (token.empty()) return std::optional<Secret>();
  const bool control = std::any_of(token.begin(), token.end(),
                                   [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; });
  if (control) return Error{file.string(), "", "a token", "a control character or a space in it"};
  return std::optional(Secret(std::move(token)));
}

}  // namespace

Result<HubEnvironment> hub_environment() {
  HubEnvironment environment;
  const auto home = hub_home();
  environment.cache = path_of("HF_HUB_CACHE");
  if (!environment.cache && home) environment.cache = *home / "hub";
  if (std::string url = variable("HF_ENDPOINT"); !url.empty()) {
    auto endpoint = endpoint_of(std::move(url));
    if (!endpoint) return endpoint.error();
    environment.endpoint = *std::move(endpoint);
  }
  if (!variable("HF_TOKEN").empty()) {
    auto token = Secret::from_environment("HF_TOKEN");
    if (!token) return token.error();
    environment.token = *std::move(token);
  } else if (home) {
    auto token = token_in(*home / "token");
    if (!token) return token.error();
    environment.token = *std::move(token);
  }
  const auto offline = truth_of("HF_HUB_OFFLINE");
  if (!offline) return offline.error();
  environment.offline = *offline;
  return environment;
}

}  // namespace assay
