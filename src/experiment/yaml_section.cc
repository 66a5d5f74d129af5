#include "experiment/yaml_section.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/file.h"
#include "base/json.h"

namespace assay {
namespace {

std::string place(const std::string& file, const YAML::Mark& mark) {
  return mark.is_null() ? file : file + ":" + std::to_string(mark.line + 1);
}

std::string describe_node(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list of " + std::to_string(node.size());
  if (!node.IsScalar()) return "nothing";
  return describe(Json(node.Scalar()));
}

// A plain scalar, not a quoted one: "5" in quotes is a text.
bool is_plain(const YAML::Node& node) { return node.IsScalar() && node.Tag() == "?"; }

}  // namespace

Result<YAML::Node> read_yaml(const std::filesystem::path& path) {
  const auto text = read_text(path);
  if (!text) return text.error();
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(*text);
    if (documents.size() != 1) {
      return Error{path.string(), "", "one YAML document", std::to_string(documents.size())};
    }
    return documents.front();
  } catch (const YAML::Exception& problem) {
    return Error{place(path.string(), problem.mark), "", "YAML", problem.msg};
  }
}

YamlSection::YamlSection(YAML::Node node, std::string file, std::string name,
                         std::optional<std::span<const std::string_view>> known)
    : node_(std::move(node)), file_(std::move(file)), name_(std::move(name)) {
  if (!node_.IsMap()) {
    fail(node_, "", "a mapping", describe_node(node_));
    return;
  }
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar()) {
      fail(entry.first, "", "a name as key", describe_node(entry.first));
      continue;
    }
    const std::string& key = entry.first.Scalar();
    if (!seen.insert(key).second) fail(entry.first, key, "each name once", "the name twice");
    if (!known || std::find(known->begin(), known->end(), key) != known->end()) continue;
    const std::string_view near = nearest(key, *known);
    fail(entry.first, key, "a known key",
         near.empty() ? "an unknown one" : "an unknown one (did you mean " + std::string(near) + "?)");
  }
}

bool YamlSection::has(std::string_view key) const {
  const auto all = keys();
  return std::find(all.begin(), all.end(), key) != all.end();
}

std::vector<std::string> YamlSection::keys() const {
  std::vector<std::string> all;
  if (!node_.IsMap()) return all;
  for (const auto& entry : node_) {
    if (entry.first.IsScalar()) all.push_back(entry.first.Scalar());
  }
  return all;
}

YAML::Node YamlSection::node(const std::string& key) const {
  return node_.IsMap() ? node_[key] : YAML::Node(YAML::NodeType::Undefined);
}

std::string YamlSection::name_of(std::string_view key) const {
  if (name_.empty() || key.empty()) return name_ + std::string(key);
  return name_ + "." + std::string(key);
}

std::optional<YAML::Node> YamlSection::wanted(const std::string& key, bool required, const char* expected) {
  if (!has(key)) {
    if (required) fail(node_, key, expected, "nothing");
    return {};
  }
  return node_[key];
}

std::string YamlSection::text(const std::string& key, const std::optional<std::string>& fallback) {
  const auto value = wanted(key, !fallback, "a text");
  if (!value) return fallback.value_or("");
  if (!value->IsScalar()) fail(*value, key, "a text", describe_node(*value));
  return value->IsScalar() ? value->Scalar() : "";
}

Index YamlSection::integer(const std::string& key, Index smallest, Index largest,
                           const std::optional<Index>& fallback) {
  const std::string expected =
      "an integer from " + std::to_string(smallest) + " to " + std::to_string(largest);
  const auto value = wanted(key, !fallback, expected.c_str());
  if (!value) return fallback.value_or(smallest);
  Index number = 0;
  bool good = is_plain(*value);
  if (good) {
    const std::string& digits = value->Scalar();
    const auto end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, number);
    good = parsed.ec == std::errc() && parsed.ptr == end && smallest <= number && number <= largest;
  }
  if (!good) fail(*value, key, expected, describe_node(*value));
  return good ? number : smallest;
}

double YamlSection::number(const std::string& key, double fallback) {
  const auto value = wanted(key, false, "a number");
  if (!value) return fallback;
  double number = 0;
  bool good = is_plain(*value);
  if (good) {
    const std::string& digits = value->Scalar();
    const auto end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, number);
    good = parsed.ec == std::errc() && parsed.ptr == end && std::isfinite(number);
  }
  if (!good) fail(*value, key, "a number", describe_node(*value));
  return good ? number : fallback;
}

bool YamlSection::boolean(const std::string& key, const std::optional<bool>& fallback) {
  const auto value = wanted(key, !fallback, "true or false");
  if (!value) return fallback.value_or(false);
  const bool good = is_plain(*value) && (value->Scalar() == "true" || value->Scalar() == "false");
  if (!good) fail(*value, key, "true or false", describe_node(*value));
  return good && value->Scalar() == "true";
}

std::vector<std::string> YamlSection::texts(const std::string& key) {
  const auto value = wanted(key, true, "a list of texts");
  if (!value) return {};
  if (value->IsScalar()) return {value->Scalar()};
  std::vector<std::string> all;
  if (!value->IsSequence() || value->size() == 0) {
    fail(*value, key, "a list of texts", describe_node(*value));
    return all;
  }
  for (const auto& element : *value) {
    if (!element.IsScalar()) fail(element, key, "a list of texts", describe_node(element));
    if (element.IsScalar()) all.push_back(element.Scalar());
  }
  return all;
}

void YamlSection::fail(const YAML::Node& at, std::string_view key, std::string expected, std::string found) {
  if (error_) return;
  error_ = Error{place(file_, at.Mark()), name_of(key), std::move(expected), std::move(found)};
}

}  // namespace assay
