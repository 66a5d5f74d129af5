// Reading a large reply of vLLM, as JSON: median milliseconds of the engine's reader, every check
// included, beside nlohmann-json making a document of the same text.
//
//   parse_bench [POSITIONS] [TOP_K] [RUNS]      8192, 20 and 21 where left out
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>

#include "base/json.h"
#include "base/splitmix.h"
#include "engine/vllm/completion_reply.h"

namespace assay {
namespace {

constexpr double kMostMilliseconds = 25;

struct Reply {
  std::vector<TokenId> tokens;
  HttpReply http;
};

double uniform(SplitMix64& random) { return (static_cast<double>(random.next() >> 11) + 0.5) * 0x1p-53; }

// Log-probabilities as float32 values in the shortest form that gives the double back, ids of a large vocabulary, a
// token outside the top k at every third position.
Reply make_reply(Index positions, Index top_k) {
  constexpr const char* kTexts[] = {" the", "ing", "\\u00e9t\\u00e9", " \\\"quoted\\\"", "\\n\\n", " number"};
  SplitMix64 random{1};
  Reply reply;
  std::string lists = "null";
  for (Index position = 0; position < positions; ++position) {
    const auto first = static_cast<TokenId>(random.next() % 100'000);
    const bool outside = position % 3 == 0;
    const Index own = outside ? top_k : static_cast<Index>(random.next()) & 3;
    reply.tokens.push_back(first + static_cast<TokenId>(own * 77));
    if (position == 0) continue;
    double left = 0;
    std::vector<std::string> entries;
    for (Index rank = 0; rank < top_k + (outside ? 1 : 0); ++rank) {
      left -= uniform(random) + 0.7;  // probabilities that sum to less than 1
      entries.push_back(fmt::format(R"("{}":{{"logprob":{},"rank":{},"decoded_token":"{}"}})",
                                    first + rank * 77, static_cast<double>(static_cast<float>(left)),
                                    rank < top_k ? rank + 1 : 5000 + rank, kTexts[random.next() % 6]));
    }
    std::rotate(entries.begin(), entries.begin() + own, entries.begin() + own + 1);
    lists += fmt::format(",{{{}}}", fmt::join(entries, ","));
  }
  reply.http.body = fmt::format(
      R"({{"id":"cmpl-1","object":"text_completion","created":1,"model":"m","choices":[{{"index":0,"text":"x",)"
      R"("logprobs":null,"finish_reason":"length","stop_reason":null,"token_ids":[318],"prompt_logprobs":[{}],)"
      R"("prompt_token_ids":[{}]}}],"usage":{{"prompt_tokens":{},"completion_tokens":1}}}})",
      lists, fmt::join(reply.tokens, ","), positions);
  reply.http.body.reserve(reply.http.body.size() + kBodyPadding);
  reply.http.transport = Transport::ok;
  reply.http.status = 200;
  return reply;
}

double median_ms(Index runs, const std::function<void()>& run) {
  std::vector<double> times;
  for (Index i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(times.begin(), times.begin() + runs / 2, times.end());
  return times[static_cast<std::size_t>(runs / 2)];
}

int run(Index positions, Index top_k, Index runs) {
  const Reply reply = make_reply(positions, top_k);
  const auto read = [&](bool all) {
    const CompletionAsked asked{.prompt = {.tokens = reply.tokens,
                                           .rules = {.top_k = top_k},
                                           .wanted = std::vector<bool>(reply.tokens.size(), all)},
                                .prompt_logprobs = true};
    const auto completion = read_completion(reply.http, asked);
    if (!completion) throw Fault(completion.error().message());
  };
  const double kept = median_ms(runs, [&] { read(true); });
  const double checked = median_ms(runs, [&] { read(false); });
  std::size_t members = 0;
  const double peer = median_ms(std::max(Index{3}, runs / 4), [&] {
    members += nlohmann::json::parse(reply.http.body)["choices"][0]["prompt_logprobs"].size();
  });
  const Json json = {{"positions", positions},
                     {"top_k", top_k},
                     {"megabytes", static_cast<double>(reply.http.body.size()) / 1e6},
                     {"all_positions_ms", kept},
                     {"no_position_ms", checked},
                     {"gigabytes_per_second", static_cast<double>(reply.http.body.size()) / 1e6 / kept},
                     {"nlohmann_ms", peer},
                     {"speedup", peer / kept},
                     {"bar_ms", kMostMilliseconds},
                     {"within_bar", kept < kMostMilliseconds}};
  fmt::print("{}\n", json.dump(1));
  return members > 0 ? 0 : 1;
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  const auto number = [&](int at, long otherwise) { return argc > at ? std::atol(argv[at]) : otherwise; };
  return assay::run(number(1, 8192), number(2, 20), number(3, 21));
}
