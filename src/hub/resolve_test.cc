// Which folder a name is, and what is asked of the Hub for it.
#include "hub/resolve.h"

#include <unistd.h>

#include "hub/hub_test_case.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

using Resolve = testing::HubCase;
using testing::kCommit;

TEST_F(Resolve, AFreshModelIsLaidOutAsOtherToolsExpect) {
  const auto found = resolve();
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(*found, snapshot());
  EXPECT_THAT(names_in(snapshot()),
              UnorderedElementsAre("config.json", "tokenizer.json", "model.safetensors"));
  for (const char* name : {"config.json", "tokenizer.json", "model.safetensors"}) {
    EXPECT_EQ(content(name), hub.files[name].content);
    EXPECT_EQ(fs::read_symlink(snapshot() / name), "../../blobs/" + hash_of(hub.files[name]));
  }
  EXPECT_EQ(*read_text(repository() / "refs/main"), kCommit);
  EXPECT_THAT(names_in(repository() / "blobs"), ::testing::SizeIs(3));
  EXPECT_THAT(log, HasSubstr("org/tiny: downloading 3 files, 0.1 MB"));
  EXPECT_THAT(log, HasSubstr("all files, 0.1 of 0.1 MB"));
}

TEST_F(Resolve, WhatTheCacheHasIsAskedOfNobody) {
  ASSERT_TRUE(resolve().ok());
  hub.forget();
  ASSERT_TRUE(resolve().ok());
  EXPECT_EQ(*resolve("org/tiny@" + kCommit), snapshot());
  EXPECT_EQ(hub.requests(), 0U);
  hub.stop();
  EXPECT_TRUE(resolve().ok());
}

TEST_F(Resolve, TokenizerAndConfigFirstWeightsLater) {
  options.files = HubFiles::tokenizer_and_config;
  ASSERT_TRUE(resolve().ok());
  EXPECT_THAT(names_in(snapshot()), UnorderedElementsAre("config.json", "tokenizer.json"));
  hub.forget();
  options.files = HubFiles::all;
  ASSERT_TRUE(resolve().ok());
  EXPECT_EQ(content("model.safetensors"), hub.files["model.safetensors"].content);
  EXPECT_EQ(hub.requests(), 2U);  // the weights and where they are stored
}

TEST_F(Resolve, Revisions) {
  EXPECT_EQ(*resolve("org/tiny@v1"), snapshot());
  EXPECT_EQ(*read_text(repository() / "refs/v1"), kCommit);
  EXPECT_EQ(*resolve("org/tiny@refs/pr/1"), snapshot());
  EXPECT_EQ(*read_text(repository() / "refs/refs/pr/1"), kCommit);
  EXPECT_EQ(*resolve("org/tiny@" + kCommit), snapshot());
  EXPECT_THAT(names_in(repository() / "refs"), UnorderedElementsAre("v1", "refs"));
  EXPECT_THAT(hub.asked("/resolve/"), ::testing::SizeIs(3));  // each file once
  EXPECT_THAT(refusal("org/tiny@v2"), HasSubstr("expected a branch, a tag or a commit of the repository"));
  EXPECT_THAT(refusal("org/tiny@v2"),
              HasSubstr("404 RevisionNotFound (no token was sent: HF_TOKEN is not set)"));
}

TEST_F(Resolve, Refusals) {
  EXPECT_THAT(refusal("org/other"),
              HasSubstr("/api/models/org/other/revision/main?blobs=true: expected a "
                        "repository that exists and that may be read, found 404 RepoNotFound"));
  hub.refusal_status = 403;
  hub.refusal = "GatedRepo";
  environment.token = Secret("hf_secret");
  EXPECT_THAT(refusal(), HasSubstr("expected access to a gated repository"));
  EXPECT_THAT(refusal(), HasSubstr("403 GatedRepo (a token was sent)"));
  hub.refusal_status = 401;
  hub.refusal = "RepoNotFound";
  EXPECT_THAT(refusal(), HasSubstr("401 RepoNotFound (a token was sent)"));
  hub.refusal_status = 418;
  EXPECT_THAT(refusal(), HasSubstr("expected HTTP status 200, found 418 RepoNotFound"));
  EXPECT_THAT(names_in(repository()), IsEmpty());
}

TEST_F(Resolve, WhatIsNoNameIsRefused) {
  for (const char* name : {"", "tiny", "org/", "/tiny", "../tiny", "org/..", "a/b/c", "org/ti ny", "./x",
                           "a--b/c", "org/tiny@", "org/tiny@../x", "org/tiny@/x", "org/tiny@a//b"}) {
    EXPECT_THAT(refusal(name), HasSubstr("expected a model folder or a Hub name")) << name;
  }
  environment.cache = std::nullopt;
  EXPECT_THAT(refusal(), HasSubstr("HF_HUB_CACHE: expected a folder for the Hub's cache"));
}

TEST_F(Resolve, Offline) {
  environment.offline = true;
  EXPECT_THAT(refusal(), HasSubstr("no folder org/tiny, no folder " + repository().string() +
                                   " (HF_HUB_CACHE, HF_HOME; HF_HUB_OFFLINE is set)"));
  environment.offline = false;
  options.download = false;
  EXPECT_THAT(refusal(), HasSubstr("no download was asked for"));
  EXPECT_EQ(hub.requests(), 0U);
  options = {.files = HubFiles::tokenizer_and_config};
  ASSERT_TRUE(resolve().ok());
  environment.offline = true;
  EXPECT_EQ(*resolve(), snapshot());
  options.files = HubFiles::all;
  EXPECT_THAT(refusal(),
              HasSubstr("expected model.safetensors, found an incomplete download (HF_HUB_OFFLINE"));
  EXPECT_THAT(refusal("org/tiny@v1"),
              HasSubstr("no whole snapshot for " + (repository() / "refs/v1").string()));
}

TEST_F(Resolve, ACacheThatAnotherToolFilled) {
  folder.write("cache/models--org--tiny/refs/main", "abc123\n");
  folder.write("cache/models--org--tiny/snapshots/abc123/config.json", "{}");
  const fs::path other = repository() / "snapshots/abc123";
  environment.offline = true;
  EXPECT_EQ(*resolve(), other);  // which files there are is not known
  environment.offline = false;
  EXPECT_THAT(refusal(), HasSubstr("RevisionNotFound"));  // no weights are there, so that the Hub is asked
  folder.write("cache/models--org--tiny/snapshots/abc123/model.safetensors", "weights");
  EXPECT_EQ(*resolve(), other);
  EXPECT_THAT(log, HasSubstr("org/tiny: the cache is used as it is; http://"));
  environment.endpoint = "http://127.0.0.1:" + std::to_string(closed_port());
  EXPECT_EQ(*resolve(), other);
  EXPECT_THAT(log, HasSubstr("expected an answer, found unreachable"));
}

TEST_F(Resolve, ASnapshotOfAnotherToolIsCompleted) {
  folder.write("cache/models--org--tiny/refs/main", kCommit);
  folder.write("cache/models--org--tiny/snapshots/" + kCommit + "/config.json", "{}");
  ASSERT_TRUE(resolve().ok());
  EXPECT_EQ(content("model.safetensors"), hub.files["model.safetensors"].content);
  EXPECT_THAT(hub.asked("/config.json"), IsEmpty());
  EXPECT_THAT(hub.asked("/revision/" + kCommit), ::testing::SizeIs(1));
}

TEST_F(Resolve, ABrokenCacheIsAnError) {
  folder.write("cache/models--org--tiny/refs/main", "../../x");
  EXPECT_THAT(refusal(), HasSubstr("refs/main: expected the name of a snapshot, found ../../x"));
}

TEST_F(Resolve, NobodyThere) {
  environment.endpoint = "http://127.0.0.1:" + std::to_string(closed_port());
  EXPECT_THAT(refusal(), AllOf(HasSubstr("expected an answer, found unreachable"),
                               HasSubstr("; no folder org/tiny, no folder " + repository().string())));
}

TEST_F(Resolve, NamesThatLeadOutOfTheRepositoryAreRefused) {
  for (const char* name :
       {"../x.json", "/etc/x.json", "a/../../b.json", "a\\b.json", "./x.json", "a//b.json", ""}) {
    hub.files = {{"config.json", {"{}"}}, {name, {"bad"}}};
    EXPECT_THAT(refusal(), HasSubstr("expected a file name within the repository")) << name;
  }
  EXPECT_FALSE(fs::exists(*environment.cache));
}

TEST_F(Resolve, ARepositoryWithoutAModel) {
  hub.files = {{"README.md", {"text"}}};
  EXPECT_THAT(refusal(), HasSubstr("expected a repository with a model's files, found 1 files"));
}

TEST_F(Resolve, AMirrorThatListsNoHashes) {
  hub.hashes = false;
  for (const bool redirects : {true, false}) {
    hub.redirects = redirects;
    fs::remove_all(*environment.cache);
    const auto found = resolve();
    ASSERT_TRUE(found.ok()) << found.error().message();
    EXPECT_TRUE(fs::exists(blob("config.json")));
    EXPECT_TRUE(fs::exists(blob("model.safetensors")));
    EXPECT_EQ(content("model.safetensors"), hub.files["model.safetensors"].content);
  }
  EXPECT_THAT(hub.asked("/stored/", "HEAD"), IsEmpty());  // another host's ETag is of its own making
}

TEST_F(Resolve, TheTokenGoesToTheHubAlone) {
  hub.token = "hf_secret";
  EXPECT_THAT(refusal(), HasSubstr("401 RepoNotFound (no token was sent: HF_TOKEN is not set)"));
  environment.token = Secret("hf_secret");
  ASSERT_TRUE(resolve().ok());
  ASSERT_THAT(hub.asked("/stored/"), ::testing::SizeIs(1));
  EXPECT_EQ(hub.asked("/stored/")[0].authorization, "");
  EXPECT_EQ(hub.asked("/resolve/" + kCommit + "/model.safetensors")[0].authorization, "Bearer hf_secret");
}

TEST_F(Resolve, TheTokenIsInNoErrorAndNoLine) {
  limits.download.at_once = 1;
  hub.token = "hf_secret";
  hub.echoes_token = true;
  environment.token = Secret("hf_secret");
  for (const int status : {400, 401, 403, 404, 500}) {
    hub.refusal_status = status;
    EXPECT_THAT(refusal(), Not(HasSubstr("hf_secret"))) << status;
  }
  hub.refusal_status = 0;
  hub.files["hf_secret.json"] = {"{ }", false, "{x}"};
  EXPECT_THAT(refusal(), HasSubstr("org/tiny/***.json: SHA-1 of the git blob: expected "));
  hub.files = {{"../hf_secret", {""}}};
  EXPECT_THAT(refusal(), Not(HasSubstr("hf_secret")));
  EXPECT_THAT(log, Not(HasSubstr("hf_secret")));
}

TEST(ResolveModel, AFolderGoesFirst) {
  const testing::TestFolder folder;
  EXPECT_EQ(resolve_model(folder.path().string())->string(), folder.path().string());
}

}  // namespace
}  // namespace assay
