#include "hub/partial_blob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/test_folder.h"
#include "hub/file_lock.h"

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Partial : public ::testing::Test {
 protected:
  PartialBlob open(std::size_t size = 100) const { return *PartialBlob::open(blob(), size); }
  std::filesystem::path blob() const { return folder_.path() / "blobs/hash"; }

  testing::TestFolder folder_;
};

TEST_F(Partial, RangesAreKeptAndJoined) {
  auto partial = open();
  EXPECT_THAT(partial.gaps(), ElementsAre(ByteRange{0, 100}));
  for (const ByteRange range : {ByteRange{20, 30}, {60, 100}, {0, 5}, {5, 10}, {25, 40}, {50, 50}}) {
    ASSERT_TRUE(partial.write(range.begin, std::string(range.end - range.begin, 'x')).ok());
    ASSERT_TRUE(partial.add(range, "tag").ok());
  }
  EXPECT_THAT(partial.gaps(), ElementsAre(ByteRange{10, 20}, ByteRange{40, 60}));
  EXPECT_EQ(partial.present(), 70U);
  const auto again = open();
  EXPECT_EQ(again.gaps(), partial.gaps());
  EXPECT_EQ(again.etag(), "tag");
  EXPECT_THAT(open(101).gaps(), ElementsAre(ByteRange{0, 101}));  // of another size
}

TEST_F(Partial, WhatIsWrittenCountsOnlyWhenItIsAdded) {
  ASSERT_TRUE(open().write(0, "bytes").ok());
  EXPECT_EQ(open().present(), 0U);
}

TEST_F(Partial, FinishPutsTheBlobInItsPlace) {
  auto partial = open(3);
  ASSERT_TRUE(partial.write(0, "abc").ok());
  EXPECT_THROW((void)partial.finish(), Fault);
  ASSERT_TRUE(partial.add({0, 3}, "").ok());
  ASSERT_TRUE(partial.finish().ok());
  EXPECT_EQ(*read_text(blob()), "abc");
  EXPECT_FALSE(std::filesystem::exists(blob().string() + ".assay.ranges"));
  EXPECT_THROW((void)partial.write(2, "xx"), Fault);
}

TEST_F(Partial, ALongerFileThanTheBlobIsCut) {
  folder_.write("blobs/hash.assay.incomplete", "12345");
  auto partial = open(3);
  ASSERT_TRUE(partial.write(0, "abc").ok());
  ASSERT_TRUE(partial.add({0, 3}, "").ok());
  ASSERT_TRUE(partial.finish().ok());
  EXPECT_EQ(*read_text(blob()), "abc");
}

TEST_F(Partial, ASideFileThatSaysTooMuchCountsAsNothing) {
  folder_.write("blobs/hash.assay.incomplete", "12345");
  for (const char* text :
       {R"({"size": 100, "etag": "", "ranges": [[0, 6]]})",
        R"({"size": 100, "etag": "", "ranges": [[5, 2]]})", R"({"size": 100, "etag": "", "ranges": [[0]]})",
        R"({"size": 100, "etag": "", "ranges": [["a", 2]]})", R"({"size": 100, "etag": "", "ranges": 7})",
        R"({"size": 100, "etag": ""})", R"({"size": 100, "ranges": []})", R"([])", "", "{"}) {
    folder_.write("blobs/hash.assay.ranges", text);
    EXPECT_EQ(open().present(), 0U) << text;
  }
  folder_.write("blobs/hash.assay.ranges", R"({"size": 100, "etag": "", "ranges": [[0, 5]]})");
  EXPECT_EQ(open().present(), 5U);
}

TEST(FileLock, IsHeldByOne) {
  const testing::TestFolder folder;
  const auto path = folder.path() / "locks/x.lock";
  {
    const auto held = FileLock::try_take(path);
    EXPECT_TRUE(held->has_value());
    EXPECT_FALSE(FileLock::try_take(path)->has_value());
  }
  EXPECT_TRUE(FileLock::try_take(path)->has_value());
  folder.write("file", "");
  EXPECT_FALSE(FileLock::try_take(folder.path() / "file/x.lock").ok());
}

}  // namespace
}  // namespace assay
