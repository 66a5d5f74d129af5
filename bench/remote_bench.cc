// What verifying 1,000 records by a server costs the client, as JSON: RemoteEngine::score_all over loopback, with
// replies of vLLM's form (64 tokens, 20 ids a position) from a process of their own. Bytes moved, parsed, checked and
// hashed; fleet_bench has the moving alone.
//
//   remote_bench MODEL_FOLDER
#include <fmt/format.h>
#include <httplib.h>

#include <chrono>
#include <mutex>

#include "base/json.h"
#include "bench/forked_server.h"
#include "engine/remote/remote_engine.h"
#include "engine/vllm/fake_vllm.h"

namespace assay {
namespace {

constexpr Index kRecords = 1000;
constexpr Index kTokens = 64;
constexpr Index kTopK = 20;
constexpr const char* kPlace = "REQUEST_ID";  // in the reply that is kept

std::vector<TokenId> record_tokens() {
  std::vector<TokenId> tokens;
  for (Index i = 0; i < kTokens; ++i) tokens.push_back(static_cast<TokenId>((i * 577 + 31) % 4000));
  return tokens;
}

// The record's reply is made once and gets each request's id; probes are answered one by one.
void serve(int told) {
  FakeVllm fake;
  std::mutex mutex;
  std::string kept;
  std::size_t bytes = 0;
  const auto answer = [&](const httplib::Request& request, httplib::Response& response) {
    const std::scoped_lock lock(mutex);
    Json body = request.body.empty() ? Json() : Json::parse(request.body);
    std::string id;
    if (request.path == "/v1/completions" && body["prompt"].size() == kTokens) {
      id = body["request_id"];
      body["request_id"] = kPlace;
    }
    if (id.empty() || kept.empty()) {
      const HttpReply made = fake.answer(
          {.method = request.method, .url = request.path, .body = id.empty() ? request.body : body.dump()});
      response.status = made.status;
      if (id.empty()) return response.set_content(made.body, "application/json");
      kept = made.body;
    }
    std::string text = kept;
    text.replace(text.find(kPlace), std::string_view(kPlace).size(), id);
    bytes += text.size();
    response.set_content(std::move(text), "application/json");
  };
  httplib::Server server;
  server.set_tcp_nodelay(true);
  server.set_keep_alive_max_count(1 << 30);
  server.Get("/bytes", [&](const auto&, auto& response) {
    response.set_content(std::to_string(std::exchange(bytes, 0)), "text/plain");
  });
  server.Get(".*", answer);
  server.Post(".*", answer);
  const int port = server.bind_to_any_port("127.0.0.1");
  if (::write(told, &port, sizeof port) == sizeof port) server.listen_after_bind();
}

// Of the records' replies since it was last asked.
double megabytes(const ForkedServer& server) {
  HttpClient client;
  return std::stod(client.fetch({.url = server.url() + "/bytes"}).body) / 1e6;
}

int run(const std::string& folder) {
  const ForkedServer server(serve);
  const Setup setup{
      .name = "served",
      .model = folder,
      .quantization = "awq",
      .dtype = "float16",
      .device = "h100",
      .server = ServerChoice{.engine = "vllm", .endpoints = {server.url()}, .served_model = "m"}};
  const auto engine = open_remote_engine(setup, {});
  if (!engine) throw Fault(engine.error().message());
  ScoreRequest request{
      .tokens = record_tokens(), .prompt_length = kTokens / 2, .asked = {}, .check_tokens = true};
  for (Index position = 1; position < kTokens; ++position) request.asked.push_back({position, {}, kTopK});
  double best_cpu = 1e9;
  double wall = 0;
  double moved = 0;
  for (int round = 0; round < 5; ++round) {  // the best of five: the server shares the cores
    Index positions = 0;
    const ScoreJobs jobs{.count = kRecords,
                         .request = [&](Index) { return request; },
                         .take =
                             [&](Index, const Scores& scores) {
                               positions += std::ssize(scores.positions);
                               return Result<void>();
                             }};
    (void)megabytes(server);
    const auto start = std::chrono::steady_clock::now();
    const double cpu = cpu_seconds(RUSAGE_SELF);
    const auto ended = (*engine)->score_all(jobs, Replay::prefill);
    const double took = cpu_seconds(RUSAGE_SELF) - cpu;
    const double lasted = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    require(ended.ok() && *ended && positions == kRecords * (kTokens - 1), "every record is scored");
    moved = megabytes(server);
    if (took >= best_cpu) continue;
    best_cpu = took;
    wall = lasted;
  }
  const Json json = {{"records", kRecords},
                     {"tokens_each", kTokens},
                     {"top_k", kTopK},
                     {"megabytes", moved},
                     {"wall_s", wall},
                     {"cpu_s", best_cpu},
                     {"cpu_s_per_100_mb", best_cpu * 100 / moved},
                     {"share_of_a_core_while_it_ran", best_cpu / wall}};
  fmt::print("{}\n", json.dump(1));
  return 0;
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  if (argc == 2) return assay::run(argv[1]);
  fmt::print(stderr, "remote_bench MODEL_FOLDER\n");
  return 2;
}
