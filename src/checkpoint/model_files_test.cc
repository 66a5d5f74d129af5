#include "checkpoint/model_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <optional>

#include "base/sha256.h"
#include "checkpoint/test_folder.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using testing::TestFolder;

// Sets or, without a value, unsets a variable; the destructor puts the old value back.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;
  ~ScopedVariable() { set(old_); }

 private:
  void set(const std::optional<std::string>& value) const {
    if (value) {
      ::setenv(name_, value->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  const char* name_;
  std::optional<std::string> old_;
};

class Hub : public ::testing::Test {
 protected:
  // A repository org/tiny in the cache `hub`.
  void download(const std::string& hub) const {
    folder_.write(hub + "/models--org--tiny/refs/main", "abc123\n");
    folder_.write(hub + "/models--org--tiny/snapshots/abc123/config.json", "{}");
  }
  std::string found(const std::string& hub) const {
    return (folder_.path() / hub / "models--org--tiny/snapshots/abc123").string();
  }
  std::string root() const { return folder_.path().string(); }

  TestFolder folder_;
  ScopedVariable hub_cache_{"HF_HUB_CACHE", std::nullopt};
  ScopedVariable hf_home_{"HF_HOME", std::nullopt};
  ScopedVariable xdg_{"XDG_CACHE_HOME", std::nullopt};
  ScopedVariable home_{"HOME", folder_.path().string()};
};

TEST_F(Hub, EachVariableGoesBeforeTheNext) {
  download(".cache/huggingface/hub");
  EXPECT_EQ(find_model("org/tiny")->string(), found(".cache/huggingface/hub"));
  download("xdg/huggingface/hub");
  const ScopedVariable xdg("XDG_CACHE_HOME", root() + "/xdg");
  EXPECT_EQ(find_model("org/tiny")->string(), found("xdg/huggingface/hub"));
  download("home/hub");
  const ScopedVariable home("HF_HOME", root() + "/home");
  EXPECT_EQ(find_model("org/tiny")->string(), found("home/hub"));
  download("cache");
  const ScopedVariable cache("HF_HUB_CACHE", root() + "/cache");
  EXPECT_EQ(find_model("org/tiny")->string(), found("cache"));
}

TEST_F(Hub, AFolderGoesFirst) { EXPECT_EQ(find_model(root())->string(), root()); }

TEST_F(Hub, WhatIsNotThereIsAnErrorThatSaysWhereItLooked) {
  EXPECT_THAT(
      find_model("org/other").error().message(),
      HasSubstr("no folder org/other, no folder " + root() + "/.cache/huggingface/hub/models--org--other"));
  for (const char* name : {"", "tiny", "org/", "/tiny", "../tiny", "org/..", "a/b/c", "org/ti ny", "./x"}) {
    EXPECT_FALSE(find_model(name).ok()) << name;
  }
}

TEST_F(Hub, ABrokenCacheIsAnError) {
  const std::string repository = ".cache/huggingface/hub/models--org--tiny";
  folder_.write(repository + "/blobs/x", "");
  EXPECT_THAT(find_model("org/tiny").error().message(), HasSubstr("refs/main"));
  folder_.write(repository + "/refs/main", "abc123");
  EXPECT_THAT(find_model("org/tiny").error().message(), HasSubstr("snapshots/abc123: expected the snapshot"));
  folder_.write(repository + "/refs/main", "../../x");
  EXPECT_THAT(find_model("org/tiny").error().message(),
              HasSubstr("refs/main: expected the name of a snapshot"));
}

std::vector<FileHash> hashes_of(const std::filesystem::path& folder) {
  ThreadPool pool(3);
  return (*hash_files(std::array{folder}, pool))[0];
}

TEST(HashFiles, CoverWhatFixesNumbersAndTokens) {
  const TestFolder folder;
  folder.write("config.json", "{}");
  folder.write("model.safetensors", "weights");
  folder.write("tokenizer.json", "[]");
  folder.write("README.md", "text");
  const auto before = hashes_of(folder.path());
  ASSERT_EQ(before.size(), 3U);
  EXPECT_EQ(before[1], (FileHash{"model.safetensors", 7, sha256_hex("weights")}));
  folder.write("README.md", "other text");
  EXPECT_EQ(hash_of_model(hashes_of(folder.path())), hash_of_model(before));
  folder.write("model.safetensors", "weightz");
  EXPECT_NE(hash_of_model(hashes_of(folder.path())), hash_of_model(before));
  EXPECT_EQ(hash_of_model({{"a", 1, "00"}}), sha256_hex("00  a\n"));
}

TEST(HashFiles, OfSeveralFoldersEachHasItsOwn) {
  const TestFolder one;
  const TestFolder two;
  const TestFolder none;
  for (int i = 0; i < 20; ++i) {
    one.write("m" + std::to_string(10 + i) + ".safetensors", std::to_string(i));
    two.write("m" + std::to_string(10 + i) + ".safetensors", std::to_string(100 + i));
  }
  ThreadPool pool(4);
  const std::array folders = {two.path(), none.path(), one.path()};
  const auto hashes = *hash_files(folders, pool);
  ASSERT_EQ(hashes.size(), 3U);
  EXPECT_TRUE(hashes[1].empty());
  for (std::size_t i = 0; i < 20; ++i) {
    const std::string name = "m" + std::to_string(10 + i) + ".safetensors";
    EXPECT_EQ(hashes[0].at(i), (FileHash{name, 3, sha256_hex(std::to_string(100 + i))}));
    EXPECT_EQ(hashes[2].at(i).sha256, sha256_hex(std::to_string(i)));
  }
  const std::array missing = {one.path(), one.path() / "nowhere"};
  EXPECT_THAT(hash_files(missing, pool).error().message(), HasSubstr("nowhere: expected a readable folder"));
  std::filesystem::create_directory(two.path() / "folder.safetensors");
  EXPECT_THAT(hash_files(folders, pool).error().message(), HasSubstr("folder.safetensors"));
}

}  // namespace
}  // namespace assay
