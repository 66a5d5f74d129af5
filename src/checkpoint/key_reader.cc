#include "checkpoint/key_reader.h"

#include <algorithm>
#include <vector>

namespace assay {

std::string describe_value(const Json& value) {
  if (!value.is_object()) return describe(value);
  std::string text = "{";
  for (const auto& [key, member] : value.items()) {
    if (text.size() > 1) text += ", ";
    text += key + ": " + describe(member);
    if (text.size() > 96) return text.substr(0, 96) + "...}";
  }
  return text + "}";
}

KeyReader::KeyReader(const Json& json, const std::string& file, std::string where)
    : json_(json), file_(file), where_(std::move(where)) {
  if (!json.is_object()) fail("", "a JSON object", describe(json));
}

void KeyReader::fail(std::string_view key, std::string expected, std::string found) {
  if (error_) return;
  std::string full = where_ + std::string(key);
  if (key.empty() && !full.empty()) full.pop_back();  // the object itself: "where." without its dot
  error_ = Error{file_, std::move(full), std::move(expected), std::move(found)};
}

const Json* KeyReader::find(std::string_view key) {
  known_.insert(std::string(key));
  if (!json_.is_object()) return nullptr;
  const auto found = json_.find(std::string(key));
  return found == json_.end() ? nullptr : &*found;
}

bool KeyReader::has(std::string_view key) {
  const Json* value = find(key);
  return value != nullptr && !value->is_null();
}

Index KeyReader::extent(std::string_view key) {
  const auto value = get<Index>(key);
  if (value >= 1 && value <= kMaxExtent) return value;
  fail(key, "an integer from 1 to " + std::to_string(kMaxExtent), std::to_string(value));
  return 1;
}

void KeyReader::demand(std::string_view key, std::string_view allowed) {
  const Json* value = find(key);
  if (value == nullptr) return;
  const Json choices = Json::parse(allowed);
  if (std::any_of(choices.begin(), choices.end(), [&](const Json& choice) { return choice == *value; }))
    return;
  std::string expected;
  for (const Json& choice : choices) expected += (expected.empty() ? "" : " or ") + describe_value(choice);
  fail(key, expected + " (no other is implemented)", describe_value(*value));
}

void KeyReader::refuse_others() {
  if (error_ || !json_.is_object()) return;
  const std::vector<std::string_view> known(known_.begin(), known_.end());
  for (const auto& [key, value] : json_.items()) {
    if (known_.contains(key)) continue;
    const std::string_view near = nearest(key, known);
    const std::string hint = near.empty() ? "" : " (did you mean " + std::string(near) + "?)";
    fail(key, "a known key", "an unknown one with value " + describe_value(value) + hint);
    return;
  }
}

}  // namespace assay
