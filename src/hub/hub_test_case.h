// For tests: resolve_in_hub with a cache of its own and a FakeHub.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/test_folder.h"
#include "hub/fake_hub.h"
#include "hub/name.h"
#include "hub/resolve.h"

namespace assay::testing {

class HubCase : public ::testing::Test {
 protected:
  HubCase() {
    environment.cache = folder.path() / "cache";
    environment.endpoint = hub.url();
    limits.patience = {.most_tries = 3, .first_delay_s = 0.001, .most_delay_s = 0.01};
    options.log = [this](const std::string& line) { log += line + "\n"; };
  }

  Result<std::filesystem::path> resolve(const std::string& name = "org/tiny") {
    return resolve_in_hub(name, options, environment, limits);
  }
  std::string refusal(const std::string& name = "org/tiny") {
    const auto result = resolve(name);
    return result ? "no Error" : result.error().message();
  }
  std::filesystem::path repository() const { return *environment.cache / "models--org--tiny"; }
  std::filesystem::path snapshot() const { return repository() / "snapshots" / kCommit; }
  std::filesystem::path blob(const std::string& name) {
    return repository() / "blobs" / hash_of(hub.files[name]);
  }
  std::string content(const std::string& name) const {
    const auto text = read_text(snapshot() / name);
    return text ? *text : text.error().message();
  }
  static std::vector<std::string> names_in(const std::filesystem::path& folder) {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  TestFolder folder;
  FakeHub hub;
  HubEnvironment environment;
  HubOptions options;
  HubLimits limits;
  std::string log;
};

}  // namespace assay::testing
