// For tests: a temporary folder.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/error.h"

namespace assay::testing {

// Removed with all that is in it.
class TestFolder {
 public:
  TestFolder() {
    std::string path = ::testing::TempDir() + "assay_XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) throw Fault("no temporary folder");
    path_ = path;
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, std::string_view content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream file(path_ / name, std::ios::binary);  // not synced: thousands of files
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    require(file.flush().good(), "a test file is written");
  }

 private:
  std::filesystem::path path_;
};

}  // namespace assay::testing
