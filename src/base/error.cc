#include "base/error.h"

#include <fmt/format.h>

namespace assay {

std::string Error::message() const {
  std::string text;
  for (const std::string* part : {&file, &key}) {
    if (!part->empty()) text += *part + ": ";
  }
  if (!expected.empty()) text += "expected " + expected;
  if (!expected.empty() && !found.empty()) text += ", ";
  if (!found.empty()) text += "found " + found;
  return text;
}

Fault::Fault(const std::string& what, std::source_location where)
    : std::logic_error(fmt::format("{}:{}: {}", where.file_name(), where.line(), what)) {}

}  // namespace assay
