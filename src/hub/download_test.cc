// Troubles of a download.
#include "hub/download.h"

#include <sys/resource.h>

#include <csignal>
#include <semaphore>
#include <thread>

#include "hub/file_lock.h"
#include "hub/hub_test_case.h"
#include "hub/partial_blob.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

using testing::Asked;
using testing::kCommit;

class Download : public testing::HubCase {
 protected:
  const std::string& weights() { return hub.files["model.safetensors"].content; }
  // Bytes that tell their places apart.
  void set_weights(std::size_t size) {
    std::string& content = hub.files["model.safetensors"].content;
    content.resize(size);
    for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>((i * 2654435761U) >> 24);
  }
  std::vector<std::string> ranges() {
    std::vector<std::string> ranges;
    for (const Asked& asked : hub.asked("/stored/")) ranges.push_back(asked.range);
    return ranges;
  }
};

TEST_F(Download, ACutBodyIsContinued) {
  set_weights(100'000);
  hub.cut_after = 30'000;
  hub.cuts = 2;
  const auto found = resolve();
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(content("model.safetensors"), weights());
  EXPECT_THAT(ranges(), ElementsAre("", "bytes=30000-99999", "bytes=60000-99999"));
}

TEST_F(Download, AnotherCallGoesOnWhereTheFirstEnded) {
  set_weights(100'000);
  hub.cut_after = 30'000;
  hub.cuts = 1;
  limits.patience.most_tries = 1;
  EXPECT_THAT(refusal(),
              HasSubstr("resolve/" + kCommit + "/model.safetensors: expected an answer, found cut"));
  EXPECT_FALSE(fs::exists(blob("model.safetensors")));
  EXPECT_FALSE(fs::exists(repository() / "refs/main"));
  EXPECT_THAT(names_in(repository() / "blobs"), Contains(HasSubstr(".assay.incomplete")));
  EXPECT_EQ(PartialBlob::open(blob("model.safetensors"), 100'000)->present(), 30'000U);
  hub.forget();
  ASSERT_TRUE(resolve().ok());
  EXPECT_EQ(content("model.safetensors"), weights());
  EXPECT_THAT(ranges(), ElementsAre("bytes=30000-99999"));
  EXPECT_THAT(names_in(repository() / "blobs"), Not(Contains(HasSubstr(".assay"))));
}

TEST_F(Download, AStopKeepsWhatCame) {
  set_weights(400'000);
  std::counting_semaphore<> go(0);
  hub.before_bytes = [&](std::size_t offset) {
    if (offset >= 150'000) go.acquire();
  };
  std::atomic<bool> came = false;
  limits.download.progress_s = 0;
  options.log = [&](const std::string& line) { came = came || line.find(", 0.2 of") != std::string::npos; };
  options.stopped = [&] {
    if (came) go.release(1'000);
    return came.load();
  };
  EXPECT_THAT(refusal(), HasSubstr("org/tiny: expected a whole download, found a stop before its end"));
  EXPECT_GT(PartialBlob::open(blob("model.safetensors"), 400'000)->present(), 50'000U);
  options = {};
  hub.forget();
  ASSERT_TRUE(resolve().ok());
  EXPECT_EQ(content("model.safetensors"), weights());
  EXPECT_THAT(ranges(), ElementsAre(HasSubstr("bytes=")));
  hub.stop();  // its threads use what is above
}

TEST_F(Download, RangesOfALargeFileComeAtOnce) {
  set_weights(1'000'000);
  limits.download.most_whole = 100'000;
  limits.download.piece = 300'000;
  // Each of the four waits until all four are asked for.
  std::counting_semaphore<16> together(0);
  std::atomic<int> waiting = 0;
  std::atomic<int> alone = 0;
  hub.before_body = [&](const Asked& asked) {
    if (!asked.path.starts_with("/stored/")) return;
    if (++waiting == 4) together.release(4);
    if (!together.try_acquire_for(std::chrono::seconds(20))) ++alone;
  };
  ASSERT_TRUE(resolve().ok());
  EXPECT_EQ(alone, 0);
  EXPECT_EQ(content("model.safetensors"), weights());
  EXPECT_THAT(ranges(), ::testing::UnorderedElementsAre("bytes=0-299999", "bytes=300000-599999",
                                                        "bytes=600000-899999", "bytes=900000-999999"));
  hub.stop();
}

TEST_F(Download, CutRangesAreContinuedEach) {
  set_weights(1'000'000);
  limits.download.most_whole = 100'000;
  limits.download.piece = 100'000;
  limits.download.at_once = 3;
  hub.cut_after = 40'000;
  hub.cuts = 15;
  ASSERT_TRUE(resolve().ok());
  EXPECT_EQ(content("model.safetensors"), weights());
}

TEST_F(Download, AServerWithoutRanges) {
  set_weights(1'000'000);
  hub.ranges = false;
  limits.download.most_whole = 100'000;
  limits.download.piece = 300'000;
  ASSERT_TRUE(resolve().ok());
  EXPECT_EQ(content("model.safetensors"), weights());
  EXPECT_THAT(ranges(), Contains(""));
  fs::remove_all(*environment.cache);
  hub.cut_after = 200'000;  // and it never gets through: no endless loop
  hub.cuts = 1'000;
  EXPECT_THAT(refusal(), HasSubstr("model.safetensors: expected"));
}

TEST_F(Download, AnotherFileThanTheOneThatWasBegun) {
  set_weights(100'000);
  auto begun = *PartialBlob::open(blob("model.safetensors"), 100'000);
  ASSERT_TRUE(begun.write(0, std::string(50'000, 'x')).ok());
  ASSERT_TRUE(begun.add({0, 50'000}, "\"of another\"").ok());
  ASSERT_TRUE(resolve().ok());
  EXPECT_EQ(content("model.safetensors"), weights());
  EXPECT_THAT(ranges(), ElementsAre("bytes=50000-99999", ""));
}

TEST_F(Download, PassingTroublesAreWaitedFor) {
  hub.troubles = {503, 429, 500};
  limits.download.at_once = 1;
  limits.patience.most_tries = 4;
  ASSERT_TRUE(resolve().ok());
  fs::remove_all(*environment.cache);
  hub.troubles = {503, 503, 503, 503};
  EXPECT_THAT(refusal(), HasSubstr("expected HTTP status 200, found 503"));
}

TEST_F(Download, RefusedFiles) {
  hub.troubles = {403};
  limits.download.at_once = 1;
  EXPECT_THAT(refusal(), HasSubstr("403 (no token was sent"));
}

TEST_F(Download, AnErrorsBodyIsLimited) {
  hub.troubles = {500};
  hub.trouble_bytes = std::size_t{8} << 20;
  limits.download.at_once = 1;
  EXPECT_THAT(refusal(), HasSubstr("too_long"));
}

TEST_F(Download, RetryAfterIsCappedAndMayBeADate) {
  HubServer server(environment, options, {.first_delay_s = 0, .most_delay_s = 30});
  for (const char* value : {"40", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"}) {
    HttpReply reply{.transport = Transport::ok, .status = 429, .headers = {{"retry-after", value}}};
    EXPECT_EQ(server.delay_s(1, reply), 30) << value;
  }
  EXPECT_EQ(server.delay_s(1, {.headers = {{"retry-after", "-5"}}}), 0);
}

TEST_F(Download, WrongHashes) {
  limits.download.at_once = 1;
  std::string wrong = weights();
  wrong[777] = 'x';
  hub.files["model.safetensors"].sent = wrong;
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr("org/tiny/model.safetensors: SHA-256: expected " + sha256_hex(weights())),
                    HasSubstr(", found " + sha256_hex(wrong))));
  EXPECT_FALSE(fs::exists(blob("model.safetensors")));
  EXPECT_FALSE(fs::exists(snapshot() / "model.safetensors"));
  EXPECT_THAT(names_in(repository() / "blobs"), Not(Contains(HasSubstr(sha256_hex(weights())))));
  hub.files["model.safetensors"].sent = std::nullopt;
  fs::remove_all(*environment.cache);
  hub.files["config.json"].sent = "{]";
  EXPECT_THAT(refusal(), HasSubstr("org/tiny/config.json: SHA-1 of the git blob: expected "));
  hub.files["config.json"].sent = std::nullopt;
  EXPECT_TRUE(resolve().ok());
}

TEST_F(Download, WrongSizes) {
  limits.download.at_once = 1;
  hub.files["config.json"].sent = "{  }";
  EXPECT_THAT(refusal(), HasSubstr("org/tiny/config.json: size: expected 2 bytes, found more"));
  hub.files["config.json"].sent = "{";
  EXPECT_THAT(refusal(), HasSubstr("org/tiny/config.json: size: expected 2 bytes, found 1"));
  hub.files["config.json"].sent = std::nullopt;
  set_weights(100'000);
  limits.download.most_whole = 10'000;
  limits.download.piece = 60'000;
  hub.files["model.safetensors"].sent = weights() + "more";
  EXPECT_THAT(refusal(), HasSubstr("org/tiny/model.safetensors: size: expected 100000 bytes, found 100004"));
}

TEST_F(Download, EmptyAndEqualFiles) {
  hub.files["added.json"] = {""};
  hub.files["copy.json"] = {"{}"};
  hub.files["config.json"] = {"{}"};
  ASSERT_TRUE(resolve().ok());
  EXPECT_EQ(content("added.json"), "");
  EXPECT_EQ(fs::read_symlink(snapshot() / "copy.json"), fs::read_symlink(snapshot() / "config.json"));
  EXPECT_EQ(hub.asked("/config.json").size() + hub.asked("/copy.json").size(), 1U);
  EXPECT_THAT(log, Not(HasSubstr("another process")));
}

TEST_F(Download, TwoAtOnceFetchEachFileOnce) {
  set_weights(300'000);
  limits.download.at_once = 4;
  std::string other_log;
  Result<fs::path> other(Error{});
  std::thread second([&] {
    HubOptions quiet;
    other = resolve_in_hub("org/tiny", quiet, environment, limits);
  });
  const auto first = resolve();
  second.join();
  ASSERT_TRUE(first.ok()) << first.error().message();
  ASSERT_TRUE(other.ok()) << other.error().message();
  EXPECT_EQ(content("model.safetensors"), weights());
  EXPECT_THAT(hub.asked("/stored/"), SizeIs(1));
  EXPECT_THAT(hub.asked("/config.json"), SizeIs(1));
}

TEST_F(Download, AFileThatAnotherProcessFetchesIsWaitedFor) {
  const auto lock =
      *environment.cache / ".locks/models--org--tiny" / (hash_of(hub.files["config.json"]) + ".lock");
  auto held = *FileLock::try_take(lock);
  ASSERT_TRUE(held.has_value());
  options.log = [&](const std::string& line) {
    log += line + "\n";
    if (line.find("config.json is being downloaded by another process") != std::string::npos) held.reset();
  };
  ASSERT_TRUE(resolve().ok());
  EXPECT_THAT(log, HasSubstr("another process"));
}

TEST_F(Download, NoRoom) {
  hub.files["model.safetensors"].content = "";
  hub.sizes["model.safetensors"] = std::size_t{1} << 60;
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr("models--org--tiny: expected room for 1152921504606846"), HasSubstr("found ")));
  EXPECT_THAT(hub.asked("/resolve/"), IsEmpty());
}

TEST_F(Download, ADiskThatFillsUp) {
  set_weights(400'000);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small = {200'000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string message = refusal();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(message, HasSubstr(".assay.incomplete: expected room for 400000 bytes, found File too large"));
  EXPECT_TRUE(resolve().ok());
  EXPECT_EQ(content("model.safetensors"), weights());
}

TEST_F(Download, ProgressIsALineASecondAtMost) {
  set_weights(2'000'000);
  ASSERT_TRUE(resolve().ok());
  const auto lines = std::count(log.begin(), log.end(), '\n');
  EXPECT_LE(lines, 4) << log;  // the first, the last, and a second's
  EXPECT_THAT(log, HasSubstr("MB/s\n"));
}

}  // namespace
}  // namespace assay
