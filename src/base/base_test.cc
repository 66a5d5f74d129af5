#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/index.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/splitmix.h"
#include "base/thread_pool.h"

namespace assay {
namespace {

using testing::HasSubstr;

std::filesystem::path scratch(const std::string& name) {
  return std::filesystem::path(testing::TempDir()) / (name + std::to_string(::getpid()));
}

TEST(Error, MessageNamesFileKeyExpectedAndFound) {
  const Error error{"config.json", "hidden_size", "a positive integer", "-1"};
  EXPECT_EQ(error.message(), "config.json: hidden_size: expected a positive integer, found -1");
}

TEST(Result, ReadingTheMissingSideIsAFault) {
  const Result<int> value = 3;
  const Result<int> error = Error{"f", "k", "e", "x"};
  EXPECT_EQ(*value, 3);
  EXPECT_THROW((void)value.error(), Fault);
  EXPECT_THROW((void)error.value(), Fault);
}

TEST(Index, RangesAndProductsDoNotWrap) {
  constexpr std::size_t kMax = std::numeric_limits<std::size_t>::max();
  EXPECT_FALSE(checked_mul(kMax, 2));
  EXPECT_FALSE(checked_add(kMax, 1));
  EXPECT_FALSE(range_fits(kMax - 1000, kMax - 984, 2000));
  EXPECT_TRUE(range_fits(8, 8, 8));
}

TEST(File, WriteIsWholeOrNotAtAll) {
  const auto path = scratch("whole");
  ASSERT_TRUE(write_atomically(path, "first").ok());
  // A file-size limit of 100 bytes behaves as a full disk does: the write comes back short, then fails.
  const rlimit small{100, RLIM_INFINITY};
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto failed = write_atomically(path, std::string(1000, 'x'));
  const auto appended = append_line(path, std::string(1000, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  ASSERT_FALSE(failed.ok());
  ASSERT_FALSE(appended.ok());
  EXPECT_THAT(failed.error().message(), HasSubstr("room to write 1000 bytes"));
  EXPECT_EQ(*read_text(path), "first");
  ASSERT_TRUE(append_line(path, "+").ok());
  EXPECT_EQ(*read_text(path), "first+\n");
  std::filesystem::remove(path);
}

TEST(File, PiecesGoWhereTheyBelong) {
  const auto path = scratch("pieces");
  {
    auto file = PieceFile::create(path);
    ASSERT_TRUE(file.ok()) << file.error().message();
    EXPECT_THAT(PieceFile::create(path).error().message(), HasSubstr("expected a new file"));
    PieceFile moved = *std::move(file);
    ThreadPool pool(3);
    pool.parallel_for(100, [&](Index i) {
      const std::string piece = std::to_string(100 + i);
      EXPECT_TRUE(moved.write(static_cast<std::size_t>(3 * i), std::as_bytes(std::span(piece))).ok());
    });
    EXPECT_TRUE(moved.close().ok());
  }
  const std::string text = *read_text(path);
  ASSERT_EQ(text.size(), 300U);
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(text.substr(3 * i, 3), std::to_string(100 + i));
  std::filesystem::remove(path);
}

TEST(File, MissingFileIsAnError) {
  EXPECT_THAT(MappedFile::open("/nonexistent/x").error().message(), HasSubstr("No such file"));
}

TEST(Json, ErrorsNameThePlace) {
  EXPECT_THAT(parse_json("{\"a\": 1, \"a\": 2}", "f.json").error().message(),
              HasSubstr("a: expected each key once"));
  EXPECT_THAT(parse_json("{\"a\": ", "f.json").error().message(), HasSubstr("f.json: expected JSON"));
  const std::string nested = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  EXPECT_THAT(parse_json(nested, "f.json").error().message(),
              HasSubstr("f.json: expected at most 256 levels"));
  EXPECT_TRUE(parse_json(std::string(256, '[') + std::string(256, ']'), "f.json").ok());
  const Json object = *parse_json(R"({"n": 1.5, "b": true, "big": 5000000000, "neg": -1})", "f");
  EXPECT_EQ(json_get<Index>(object, "f", "n").error().found, "1.5");
  EXPECT_FALSE(json_get<int>(object, "f", "b").ok());
  EXPECT_FALSE(json_get<int>(object, "f", "big").ok());
  EXPECT_FALSE(json_get<std::uint32_t>(object, "f", "neg").ok());
  EXPECT_EQ(*json_get<int>(object, "f", "neg"), -1);
  EXPECT_EQ(json_get<int>(object, "f", "absent").error().found, "nothing");
}

TEST(Json, UnknownKeySuggestsTheNearest) {
  const Json object = *parse_json(R"({"max_new_token": 3})", "e.yaml");
  const std::string_view known[] = {"max_new_tokens", "top_k"};
  EXPECT_THAT(refuse_unknown_keys(object, "e.yaml", known).error().message(),
              HasSubstr("did you mean max_new_tokens?"));
}

TEST(Sha256, KnownAnswer) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(SplitMix64, KnownAnswer) {
  SplitMix64 random(0);
  EXPECT_EQ(random.next(), 0xe220a8397b1dcdafULL);  // the authors' reference code
  EXPECT_EQ(random.next(), 0x6e789e6aa1b965f4ULL);
  EXPECT_NE(seed_of_part(1, 2), seed_of_part(2, 1));
}

TEST(ThreadPool, EveryIndexOnceAndExceptionsReturn) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    std::vector<std::atomic<int>> seen(1000);
    for (int round = 0; round < 20; ++round) {
      pool.parallel_for(1000, [&](Index i) { ++seen[static_cast<std::size_t>(i)]; });
    }
    for (const auto& count : seen) EXPECT_EQ(count, 20);
    EXPECT_THROW(pool.parallel_for(10, [](Index i) { require(i != 3, "three"); }), Fault);
    pool.parallel_for(0, [](Index) { FAIL(); });
  }
}

}  // namespace
}  // namespace assay
