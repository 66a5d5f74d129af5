#include <algorithm>
#include <optional>
#include <string_view>

#include "engine/remote/launch.h"

namespace assay {
namespace {

bool is_plain(std::string_view value) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_./:@%+=,-").find(c) != std::string_view::npos;
  };
  return !value.empty() && std::all_of(value.begin(), value.end(), plain);
}

std::string shell_word(std::string_view value) {
  if (is_plain(value)) return std::string(value);
  std::string text = "'";
  for (const char c : value) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

// Where the shell would stand after the characters seen so far: none, ' or ".
class ShellQuotes {
 public:
  void see(char c) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\' && open_ != '\'') {
      escaped_ = true;
    } else if (open_ == 0 && (c == '\'' || c == '"')) {
      open_ = c;
    } else if (c == open_) {
      open_ = 0;
    }
  }
  bool inside() const { return open_ != 0 || escaped_; }

 private:
  char open_ = 0;
  bool escaped_ = false;
};

std::optional<std::string> value_of(std::string_view word, const Setup& setup, int port) {
  if (word == "model") return setup.model;
  if (word == "quantization") return setup.quantization;
  if (word == "dtype") return setup.dtype;
  if (word == "port") return std::to_string(port);
  return std::nullopt;
}

}  // namespace

Result<std::string> launch_command(const Setup& setup, int port) {
  require(setup.server.has_value(), "launch_command takes a setup with a server");
  const std::string_view text = setup.server->launch;
  const std::string key = "launch";
  std::string command;
  ShellQuotes quotes;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '{' || text.substr(at, 2) == "{{") {
      at += text[at] == '{' ? 1 : 0;
      quotes.see(text[at]);
      command += text[at];
      continue;
    }
    const std::size_t end = text.find('}', at);
    if (end == std::string_view::npos) {
      return Error{"", key, "} after {, or {{ for a brace", std::string(text.substr(at, 20))};
    }
    const std::string_view word = text.substr(at + 1, end - at - 1);
    const auto value = value_of(word, setup, port);
    if (!value) {
      return Error{"", key, "{model}, {quantization}, {dtype} or {port}, or {{ for a brace",
                   "{" + std::string(word) + "}"};
    }
    if (value->find('\0') != std::string::npos)
      return Error{"", key, "values without NUL", std::string(word)};
    if (quotes.inside() && !is_plain(*value)) {
      return Error{"", key, "{" + std::string(word) + "} outside quotes: it is quoted itself", *value};
    }
    command += shell_word(*value);
    at = end;
  }
  if (command.empty() || command.find('\0') != std::string::npos) {
    return Error{"", key, "a command for /bin/sh", command.empty() ? "nothing" : "a NUL"};
  }
  return command;
}

}  // namespace assay
