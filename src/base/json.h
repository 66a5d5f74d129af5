// Strict reading of JSON files: every complaint names file, key, expected and found.
#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace assay {

using Json = nlohmann::ordered_json;  // keeps the order of keys, so that files written twice are equal

inline constexpr int kMostJsonLevels = 256;  // arrays and objects within one another

// `file` names the text in errors. Error: not JSON (line and column), a key that occurs twice in one object, more than kMostJsonLevels
// (what walks through a document recurses, and a server may send anything).
Result<Json> parse_json(std::string_view text, const std::string& file);
Result<Json> read_json(const std::filesystem::path& path);

// Short printable form of a value for Error::found, at most 60 characters.
std::string describe(const Json& value);

// "a number", "a string", ... for Error::expected.
template <class T>
constexpr const char* json_kind() {
  if constexpr (std::is_same_v<T, bool>) return "true or false";
  if constexpr (std::is_integral_v<T>) return "an integer in range";
  if constexpr (std::is_floating_point_v<T>) return "a number";
  if constexpr (std::is_same_v<T, std::string>) return "a string";
  return "a value of the right type";
}

// Reads object[key] as exactly T: no conversion from bool, no rounding of 1.5 to 1, no wrapping.
template <class T>
Result<T> json_get(const Json& object, const std::string& file, const std::string& key) {
  const Error wrong_type{file, key, json_kind<T>(), object.is_object() ? "nothing" : describe(object)};
  if (!object.is_object()) return wrong_type;
  const auto found = object.find(key);
  if (found == object.end()) return wrong_type;
  const Json& value = *found;
  const Error wrong{file, key, json_kind<T>(), describe(value)};
  if constexpr (std::is_same_v<T, bool>) {
    if (value.is_boolean()) return value.get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    if (value.is_number_unsigned() && std::in_range<T>(value.get<std::uint64_t>())) return value.get<T>();
    if (value.is_number_integer() && !value.is_number_unsigned() &&
        std::in_range<T>(value.get<std::int64_t>())) {
      return value.get<T>();
    }
  } else if constexpr (std::is_floating_point_v<T>) {
    if (value.is_number()) return value.get<T>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (value.is_string()) return value.get<std::string>();
  } else {
    static_assert(std::is_same_v<T, std::string>, "json_get reads bool, integers, floats and strings");
  }
  return wrong;
}

// Error: `object` has a key that is not in `known`; names the nearest known key ("did you mean").
Result<void> refuse_unknown_keys(const Json& object, const std::string& file,
                                 std::span<const std::string_view> known);

// The candidate with the smallest edit distance to `word`, or "" if none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace assay
