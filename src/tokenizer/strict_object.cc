#include "tokenizer/strict_object.h"

#include <algorithm>

namespace assay {
namespace {

const Json kNull;

}  // namespace

StrictObject::StrictObject(const Json& object, std::string file, std::string path)
    : object_(object), file_(std::move(file)), path_(std::move(path)) {
  if (!object_.is_object()) error_ = Error{file_, path_, "an object", describe(object_)};
}

std::string StrictObject::place(std::string_view key) const {
  return path_.empty() || key.empty() ? path_ + std::string(key) : path_ + "." + std::string(key);
}

void StrictObject::note(std::string_view key) { known_.emplace_back(key); }

void StrictObject::fail(std::string_view key, std::string expected, std::string found) {
  if (!error_) error_ = Error{file_, place(key), std::move(expected), std::move(found)};
}

const Json& StrictObject::any(std::string_view key) {
  note(key);
  if (error_) return kNull;
  const auto found = object_.find(std::string(key));
  return found == object_.end() ? kNull : *found;
}

const Json& StrictObject::array(std::string_view key) {
  const Json& value = any(key);
  if (value.is_array()) return value;
  fail(key, "an array", object_.contains(key) ? describe(value) : "nothing");
  return kNull;
}

const Json& StrictObject::object(std::string_view key) {
  const Json& value = any(key);
  if (value.is_object()) return value;
  fail(key, "an object", object_.contains(key) ? describe(value) : "nothing");
  return kNull;
}

void StrictObject::must_be(std::string_view key, std::initializer_list<Json> allowed, Absent absent) {
  const Json& value = any(key);
  if (error_) return;
  const bool there = object_.contains(key);
  if (!there && absent == Absent::accepted) return;
  if (there && std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
  std::string expected;
  for (const Json& one : allowed) expected += (expected.empty() ? "" : " or ") + describe(one);
  fail(key, expected, there ? describe(value) : "nothing");
}

std::optional<Error> StrictObject::finish() {
  if (error_) return error_;
  const std::vector<std::string_view> known(known_.begin(), known_.end());
  const auto checked = refuse_unknown_keys(object_, file_, known);
  if (checked) return std::nullopt;
  Error unknown = checked.error();
  unknown.key = place(unknown.key);
  return unknown;
}

}  // namespace assay
