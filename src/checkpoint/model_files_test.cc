#include "checkpoint/model_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/sha256.h"
#include "checkpoint/test_folder.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using testing::TestFolder;

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
