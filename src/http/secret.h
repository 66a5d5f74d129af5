// A bearer token. It has no text form: only the client reads it, when it writes the header of a request.
#pragma once

#include <string>
#include <utility>

#include "base/error.h"

namespace assay {

class Secret {
 public:
  explicit Secret(std::string value) : value_(std::move(value)) {}
  // The value of an environment variable. Error: it is unset, empty, or holds anything but printable ASCII (a header
  // takes no more); the value itself is in no Error.
  static Result<Secret> from_environment(const std::string& variable);

  const std::string& reveal() const { return value_; }  // for the header, and for nothing else
  // `text` with each occurrence of the token as "***": for what a server said, before it is shown.
  std::string hide_in(std::string text) const;
  bool operator==(const Secret&) const = default;

 private:
  std::string value_;
};

}  // namespace assay
