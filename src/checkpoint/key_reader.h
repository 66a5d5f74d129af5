// Reads one JSON object key by key, keeps the first complaint, and knows in the end which keys nobody asked
// for.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/index.h"
#include "base/json.h"

namespace assay {

// Largest extent that a configuration may name: products of two stay far from overflow.
inline constexpr Index kMaxExtent = Index{1} << 24;

// A read that fails returns a default value and records the error; callers check error() once, at the end,
// and use no value before. `json` and `file` must outlive the reader. `where` stands before keys in errors.
class KeyReader {
 public:
  // Records an error if `json` is not an object.
  KeyReader(const Json& json, const std::string& file, std::string where);

  const std::optional<Error>& error() const { return error_; }
  void fail(std::string_view key, std::string expected, std::string found);

  // Present, and not null.
  bool has(std::string_view key);
  // nullptr if the key is missing.
  const Json* find(std::string_view key);

  template <class T>
  T get(std::string_view key);
  template <class T>
  T get_or(std::string_view key, T missing) {
    return has(key) ? get<T>(key) : missing;
  }
  // An integer from 1 to kMaxExtent.
  Index extent(std::string_view key);

  // The key is missing, or its value equals an element of `allowed`, a JSON array.
  void demand(std::string_view key, std::string_view allowed);
  // The key may have any value.
  void ignore(std::string_view key) { known_.insert(std::string(key)); }
  // Records an error for the first key that was neither read, demanded nor ignored.
  void refuse_others();

 private:
  const Json& json_;
  const std::string& file_;
  std::string where_;
  std::set<std::string> known_;
  std::optional<Error> error_;
};

// Printable form of a value, the keys of an object included; at most 100 characters.
std::string describe_value(const Json& value);

template <class T>
T KeyReader::get(std::string_view key) {
  known_.insert(std::string(key));
  auto value = json_get<T>(json_, file_, std::string(key));
  if (value) return *value;
  fail(key, value.error().expected, value.error().found);
  return T{};
}

}  // namespace assay
