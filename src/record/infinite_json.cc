#include "record/infinite_json.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/file.h"

namespace assay {
namespace {

constexpr std::string_view kInfinity = "Infinity";

// Length of the string literal that starts at text[0] == '"', its quotes included.
std::size_t literal_length(std::string_view text) {
  std::size_t i = 1;
  while (i < text.size() && text[i] != '"') i += text[i] == '\\' ? 2 : 1;
  return std::min(i + 1, text.size());
}

}  // namespace

Result<Json> parse_infinite_json(std::string_view text, const std::string& file) {
  std::string strict;
  strict.reserve(text.size() + 64);
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    std::size_t length = 1;
    if (rest.front() == '"') {
      length = literal_length(rest);
      strict += rest.substr(0, length);
    } else if (rest.starts_with("NaN")) {
      const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(i), '\n');
      return Error{file, "line " + std::to_string(line), "a number", "NaN"};
    } else if (rest.starts_with("-Infinity") || rest.starts_with(kInfinity)) {
      length = kInfinity.size() + (rest.front() == '-' ? 1 : 0);
      strict.append("\"").append(rest.substr(0, length)).append("\"");
    } else {
      strict += rest.front();
    }
    i += length;
  }
  return parse_json(strict, file);
}

Result<Json> read_infinite_json(const std::filesystem::path& path) {
  auto text = read_text(path);
  if (!text) return text.error();
  return parse_infinite_json(*text, path.string());
}

Json distance_to_json(double distance) {
  require(distance > -std::numeric_limits<double>::infinity(), "a distance is NaN or -Infinity");
  if (std::isinf(distance)) return std::string(kInfinity);
  return distance;
}

Result<double> distance_from_json(const Json& object, const std::string& file, const std::string& key) {
  const std::string expected = "a number that is not negative, or Infinity";
  if (!object.is_object() || !object.contains(key)) return Error{file, key, expected, "nothing"};
  const Json& value = object.at(key);
  if (value.is_string() && value.get<std::string>() == kInfinity) {
    return std::numeric_limits<double>::infinity();
  }
  if (value.is_number() && value.get<double>() >= 0) return value.get<double>();
  return Error{file, key, expected, describe(value)};
}

std::string dump_json(const Json& document, InfinityStyle style) {
  std::string text = document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  if (style == InfinityStyle::quoted) return text;
  // A quote inside a string is escaped, so this token is a whole string; a key would be followed by a colon.
  const std::string quoted = "\"" + std::string(kInfinity) + "\"";
  for (auto at = text.find(quoted); at != std::string::npos; at = text.find(quoted, at + 1)) {
    if (text[at + quoted.size()] != ':') text.replace(at, quoted.size(), kInfinity);
  }
  return text;
}

}  // namespace assay
