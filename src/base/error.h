// Two kinds of trouble. The input is wrong: a function returns Result<T> whose Error says where and how.
// We are wrong (a broken invariant): `require` throws Fault with the caller's place. The library never prints
// or exits.
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace assay {

// What was wrong with an input. Every field is for a human; an empty field does not apply.
struct Error {
  std::string file;  // path, or the name of the stream
  std::string key;   // tensor, JSON key, option, line
  std::string expected;
  std::string found;

  // One line: "config.json: hidden_size: expected a positive integer, found -1".
  std::string message() const;
};

// A broken invariant of this program.
class Fault : public std::logic_error {
 public:
  explicit Fault(const std::string& what, std::source_location where = std::source_location::current());
};

// Throws Fault naming the caller's line unless `condition` holds.
inline void require(bool condition, const char* what,
                    std::source_location where = std::source_location::current()) {
  if (!condition) throw Fault(what, where);
}

// A value, or the Error that prevented it. Reading the side that is not there throws Fault.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return check(), std::get<0>(state_); }
  const T& value() const& { return check(), std::get<0>(state_); }
  T&& value() && { return check(), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const { return require(!ok(), "Result holds a value"), std::get<1>(state_); }

 private:
  void check() const {
    if (!ok()) throw Fault("Result holds an error: " + std::get<1>(state_).message());
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return require(!ok(), "Result holds no error"), std::get<1>(state_); }

 private:
  std::variant<std::monostate, Error> state_;
};

}  // namespace assay
