#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/backoff.h"
#include "http/job_queue.h"
#include "http/reply_words.h"
#include "http/spare_bodies.h"
#include "http/window.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Backoff, IsFullJitterUnderADoublingCap) {
  SplitMix64 random(7);
  for (const auto& [failures, cap] :
       {std::pair(1, 0.5), std::pair(2, 1.0), std::pair(4, 4.0), std::pair(60, 30.0)}) {
    double least = cap;
    double most = 0;
    for (int i = 0; i < 1000; ++i) {
      const double delay = backoff_s(failures, 0.5, 30, random);
      least = std::min(least, delay);
      most = std::max(most, delay);
    }
    EXPECT_GE(least, 0);
    EXPECT_LT(least, 0.05 * cap);
    EXPECT_GT(most, 0.95 * cap);
    EXPECT_LT(most, cap);
  }
  SplitMix64 again(7);
  SplitMix64 same(7);
  EXPECT_EQ(backoff_s(3, 1, 30, again), backoff_s(3, 1, 30, same));
}

TEST(RetryAfter, SecondsAndDates) {
  constexpr std::int64_t kNow = 1445412480;  // Wed, 21 Oct 2015 07:28:00 GMT
  EXPECT_EQ(retry_after_s("120", kNow), 120);
  EXPECT_EQ(retry_after_s("0", kNow), 0);
  EXPECT_EQ(retry_after_s("Wed, 21 Oct 2015 07:28:30 GMT", kNow), 30);
  EXPECT_EQ(retry_after_s("Wednesday, 21-Oct-15 07:29:00 GMT", kNow), 60);  // RFC 850
  EXPECT_EQ(retry_after_s("Wed Oct 21 07:28:01 2015", kNow), 1);            // asctime
  EXPECT_EQ(retry_after_s("Wed, 21 Oct 2015 07:27:00 GMT", kNow), 0);       // past
  for (const char* bad : {"", "-1", "1.5", "soon", "1e3", " 5", "a few minutes"}) {
    EXPECT_EQ(retry_after_s(bad, kNow), std::nullopt) << bad;
  }
  EXPECT_GT(retry_after_s(std::string(400, '9'), kNow), 1e9);
}

TEST(Window, GrowsByOneWithAWindowOfSuccessesAndHalvesOnce) {
  Window window(1, 4);
  EXPECT_EQ(window.free(0), 1);
  window.succeeded();
  EXPECT_EQ(window.size(), 2);
  window.succeeded();
  EXPECT_EQ(window.size(), 2);
  window.succeeded();
  EXPECT_EQ(window.size(), 3);
  for (int i = 0; i < 20; ++i) window.succeeded();
  EXPECT_EQ(window.size(), 4);
  EXPECT_EQ(window.free(1), 3);
  const Index together = window.epoch();
  EXPECT_TRUE(window.trouble(together));
  EXPECT_FALSE(window.trouble(together));  // of the same flight
  EXPECT_EQ(window.size(), 2);
  EXPECT_EQ(window.free(3), -1);
  EXPECT_TRUE(window.trouble(window.epoch()));
  EXPECT_TRUE(window.trouble(window.epoch()));
  EXPECT_EQ(window.size(), 1);
  Window one(1, 1);
  for (int i = 0; i < 5; ++i) one.succeeded();
  EXPECT_EQ(one.size(), 1);
}

TEST(JobQueue, LowestFirstNotTooFarAhead) {
  JobQueue queue(5, 2);
  std::vector<Index> started;
  const auto start_all = [&](double now) {
    Index after = kNowhere;
    while (const auto due = queue.due(now, after)) {
      queue.start(*due);
      started.push_back(due->job);
      after = due->job;
    }
  };
  start_all(0);
  EXPECT_EQ(started, (std::vector<Index>{0, 1}));
  queue.fail({0, 1, 3}, 5.0);
  queue.finish(1);
  start_all(1);  // job 0 is not due, and 2 is two ahead of it
  EXPECT_EQ(started.size(), 2u);
  EXPECT_EQ(queue.next_due(1), 5.0);
  const auto due = queue.due(5, kNowhere);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->tries, 1);
  EXPECT_EQ(due->failed_at, 3);
  start_all(5);
  queue.finish(0);
  EXPECT_THROW(queue.finish(0), Fault);
  start_all(5);
  EXPECT_EQ(started, (std::vector<Index>{0, 1, 0, 2, 3}));
  for (const Index job : {3, 2}) queue.finish(job);
  start_all(5);
  EXPECT_FALSE(queue.all_finished());
  queue.finish(4);
  EXPECT_TRUE(queue.all_finished());
  EXPECT_TRUE(JobQueue(0, 1).all_finished());
}

TEST(SpareBodies, TheSmallestThatHasRoom) {
  SpareBodies spares;
  std::string small(1000, 's');
  std::string large(5000, 'l');
  const char* const in_small = small.data();
  const char* const in_large = large.data();
  spares.put(std::move(large));
  spares.put(std::move(small));
  std::string body = spares.take(900);
  EXPECT_EQ(body.data(), in_small);
  EXPECT_EQ(body, "");
  EXPECT_EQ(spares.take(900).data(), in_large);
  EXPECT_GE(spares.take(900).capacity(), 900u);  // a new one
  spares.put(std::move(body));
  EXPECT_GE(spares.take(2000).capacity(), 2000u);
  EXPECT_EQ(spares.take(10).data(), in_small);
}

HttpReply reply_of(int status, std::string body) {
  HttpReply reply;
  reply.transport = Transport::ok;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

TEST(ReplyWords, Classes) {
  for (const int status : {200, 204}) EXPECT_EQ(class_of(reply_of(status, "")), ReplyClass::usable);
  for (const int status : {408, 429, 500, 502, 503, 599}) {
    EXPECT_EQ(class_of(reply_of(status, "")), ReplyClass::try_again) << status;
  }
  for (const int status : {0, 301, 400, 401, 404, 422, 600}) {
    EXPECT_EQ(class_of(reply_of(status, "")), ReplyClass::refused) << status;
  }
  HttpReply reply = reply_of(200, "");
  for (const Transport transport :
       {Transport::unreachable, Transport::reset, Transport::timed_out, Transport::cut, Transport::other}) {
    reply.transport = transport;
    EXPECT_EQ(class_of(reply), ReplyClass::try_again) << word(transport);
  }
  reply.transport = Transport::tls;
  EXPECT_EQ(class_of(reply), ReplyClass::refused);
}

TEST(ReplyWords, TheMessageMaskedCleanedAndCut) {
  const std::optional<Secret> token = Secret("sk-hunter2");
  EXPECT_EQ(words_of(reply_of(400, R"({"error":{"message":"too long","code":400}})"), token),
            "HTTP 400: too long");
  EXPECT_EQ(words_of(reply_of(400, R"({"object":"error","message":"no"})"), token), "HTTP 400: no");
  EXPECT_EQ(words_of(reply_of(422, R"({"detail":[{"loc":["x"]}]})"), token), R"(HTTP 422: [{"loc":["x"]}])");
  EXPECT_EQ(words_of(reply_of(401, R"({"error":"bad \u0073k-hunter2 key"})"), token),
            "HTTP 401: bad *** key");
  EXPECT_EQ(words_of(reply_of(401, "Bearer sk-hunter2"), token), "HTTP 401: Bearer ***");
  EXPECT_EQ(words_of(reply_of(404, "a\r\nb\x1b[1m\xff"), token), "HTTP 404: a  b [1m\xEF\xBF\xBD");
  EXPECT_EQ(words_of(reply_of(500, ""), token), "HTTP 500");
  const std::string at_the_cut = std::string(295, 'x') + "sk-hunter2";
  EXPECT_THAT(words_of(reply_of(500, at_the_cut), token), Not(HasSubstr("sk-")));
  const std::string nested = std::string(32'000, '[') + std::string(32'000, ']');
  EXPECT_THAT(words_of(reply_of(400, R"({"error":)" + nested + "}"), token), HasSubstr("HTTP 400: "));
  std::string umlauts;
  for (int i = 0; i < 400; ++i) umlauts += "\xC3\xA4";
  EXPECT_EQ(words_of(reply_of(500, umlauts), token), "HTTP 500: " + umlauts.substr(0, 600) + "...");
  HttpReply cut = reply_of(0, "");
  cut.transport = Transport::cut;
  cut.trouble = "closed early sk-hunter2";
  EXPECT_EQ(words_of(cut, token), "cut: closed early ***");
}

}  // namespace
}  // namespace assay
