// Reads an object of which every key must be understood.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace assay {

// Remembers the first thing that was wrong; after it, readers return empty values. The JSON must outlive
// this.
class StrictObject {
 public:
  // `path`: the object's place in the file ("model"), empty for the whole file.
  StrictObject(const Json& object, std::string file, std::string path);

  // The key must hold one of `allowed`.
  enum class Absent : std::uint8_t { refused, accepted };
  void must_be(std::string_view key, std::initializer_list<Json> allowed, Absent absent = Absent::refused);
  template <class T>
  T get(std::string_view key) {
    note(key);
    if (error_) return T{};
    auto value = json_get<T>(object_, file_, std::string(key));
    if (value) return *value;
    Error wrong = value.error();
    wrong.key = place(key);
    error_ = std::move(wrong);
    return T{};
  }
  template <class T>
  T get_or(std::string_view key, T absent) {
    note(key);
    return error_ || !object_.contains(key) ? absent : get<T>(key);
  }
  // The value as it stands; null, and an error, if it is not an array (an object).
  const Json& array(std::string_view key);
  const Json& object(std::string_view key);
  // The value as it stands; null if it is not there.
  const Json& any(std::string_view key);

  void fail(std::string_view key, std::string expected, std::string found);
  std::string place(std::string_view key) const;

  // The first error; without one, a complaint about a key that nobody read.
  std::optional<Error> finish();

 private:
  void note(std::string_view key);

  const Json& object_;
  std::string file_;
  std::string path_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
};

}  // namespace assay
