// Strict reading of one mapping of a YAML file: unknown keys, repeated keys and wrong types are errors that
// name file, line and key.
#pragma once

#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/index.h"

namespace assay {

// Error: unreadable, not YAML, or more than one document.
Result<YAML::Node> read_yaml(const std::filesystem::path& path);

// Holds the first Error seen: read every field, then ask error() once. Thread-compatible.
class YamlSection {
 public:
  // `name` is the dotted path of the mapping ("" = the whole file). An error if `node` is not a mapping, or
  // has a key that occurs twice; with `known` also if it has a key that is not in it.
  YamlSection(YAML::Node node, std::string file, std::string name,
              std::optional<std::span<const std::string_view>> known);

  bool has(std::string_view key) const;
  std::vector<std::string> keys() const;  // in the order of the file
  YAML::Node node(const std::string& key) const;
  std::string name_of(std::string_view key) const;

  // Without a fallback a missing key is an error.
  std::string text(const std::string& key, const std::optional<std::string>& fallback = {});
  Index integer(const std::string& key, Index smallest, Index largest,
                const std::optional<Index>& fallback = {});
  double number(const std::string& key, double fallback);  // finite
  bool boolean(const std::string& key, const std::optional<bool>& fallback = {});
  // A list of texts, or one text.
  std::vector<std::string> texts(const std::string& key);

  void fail(const YAML::Node& at, std::string_view key, std::string expected, std::string found);
  const std::optional<Error>& error() const { return error_; }

 private:
  std::optional<YAML::Node> wanted(const std::string& key, bool required, const char* expected);

  YAML::Node node_;
  std::string file_;
  std::string name_;
  std::optional<Error> error_;
};

}  // namespace assay
