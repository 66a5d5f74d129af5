#include "hub/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "hub/blob_hash.h"
#include "hub/name.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

const std::string kCommit(40, 'c');
const std::string kSha1(40, '1');
const std::string kSha256(64, '2');

std::string refusal(const Json& reply) {
  const auto listing = read_api_listing(reply.dump(), "url");
  return listing ? "no Error" : listing.error().message();
}

TEST(Listing, OfTheHub) {
  const Json reply = {{"sha", kCommit},
                      {"private", false},
                      {"siblings",
                       {{{"rfilename", "config.json"}, {"size", 2}, {"blobId", kSha1}},
                        {{"rfilename", "a/b.bin"},
                         {"size", 9},
                         {"blobId", kSha1},
                         {"lfs", {{"sha256", kSha256}, {"size", 9}}}},
                        {{"rfilename", "plain.txt"}, {"lfs", nullptr}}}}};
  const Listing expected{
      kCommit,
      {{"config.json", kSha1, 2}, {"a/b.bin", kSha256, 9}, {"plain.txt", std::nullopt, std::nullopt}}};
  EXPECT_EQ(*read_api_listing(reply.dump(), "url"), expected);
  EXPECT_EQ(*read_listing(listing_text(expected), kCommit, "file"), expected);
}

TEST(Listing, OfAnotherTool) {
  const Json text = {
      {"format_version", 1},
      {"files",
       {{"config.json", {{"size", 2}, {"blob_id", kSha1}}},
        {"model.safetensors", {{"size", 9}, {"blob_id", kSha1}, {"lfs_sha256", kSha256}, {"lfs_size", 9}}}}}};
  EXPECT_EQ(*read_listing(text.dump(), kCommit, "file"),
            (Listing{kCommit, {{"config.json", kSha1, 2}, {"model.safetensors", kSha256, 9}}}));
  EXPECT_THAT(read_listing(R"({"format_version": 2, "files": {}})", kCommit, "file").error().message(),
              HasSubstr("format_version: expected 1, found 2"));
}

TEST(Listing, Refusals) {
  EXPECT_THAT(refusal({{"siblings", Json::array()}}), HasSubstr("url: sha: expected a string"));
  EXPECT_THAT(refusal({{"sha", "../x"}, {"siblings", Json::array()}}), HasSubstr("sha: expected a commit"));
  EXPECT_THAT(refusal({{"sha", kCommit}}), HasSubstr("siblings: expected a list"));
  const auto with = [](const Json& file) { return refusal({{"sha", kCommit}, {"siblings", {file, file}}}); };
  EXPECT_THAT(with({{"name", "x"}}), HasSubstr("rfilename: expected a string"));
  EXPECT_THAT(with({{"rfilename", "x"}}), HasSubstr("x: expected a file once, found twice"));
  EXPECT_THAT(with({{"rfilename", "x"}, {"size", -1}}), HasSubstr("size: expected an integer in range"));
  EXPECT_THAT(with({{"rfilename", "x"}, {"blobId", "../../x"}}),
              HasSubstr("blobId: expected 40 hexadecimal"));
  EXPECT_THAT(with({{"rfilename", "x"}, {"lfs", {{"sha256", kSha1}}}}), HasSubstr("sha256: expected 64"));
  EXPECT_THAT(with({{"rfilename", "x\ny"}}), HasSubstr("expected a file name within the repository"));
}

TEST(Listing, WantedFiles) {
  Listing listing{kCommit, {}};
  for (const char* name : {".gitattributes", "README.md", "config.json", "merges.txt", "chat_template.jinja",
                           "tokenizer.model", "model.safetensors", "model.bin", "onnx/config.json"}) {
    listing.files.push_back({.name = name});
  }
  EXPECT_EQ(wanted_files(listing, HubFiles::tokenizer_and_config).size(), 4U);
  EXPECT_EQ(wanted_files(listing, HubFiles::all).size(), 5U);
}

TEST(BlobHash, IsGits) {  // printf hello | git hash-object --stdin; an empty file's
  const std::string hello = "hello";
  EXPECT_EQ(git_blob_sha1(std::as_bytes(std::span(hello.data(), hello.size()))),
            "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
  EXPECT_EQ(git_blob_sha1({}), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

TEST(HubName, Forms) {
  EXPECT_EQ(parse_hub_name("org/a-b_c.d"), (HubName{"org/a-b_c.d", "main"}));
  EXPECT_EQ(parse_hub_name("org/name@refs/pr/1"), (HubName{"org/name", "refs/pr/1"}));
  EXPECT_EQ(percent_encoded("refs/pr/1 %", false), "refs%2Fpr%2F1%20%25");
  EXPECT_EQ(percent_encoded("a/b#c", true), "a/b%23c");
}

}  // namespace
}  // namespace assay
