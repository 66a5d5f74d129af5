// The fleet over loopback, as JSON: how eight endpoints that each take 50 ms a reply scale over one, and what 100 MB
// of replies cost the client. The servers are processes of their own.
//
//   fleet_bench
#include <fmt/format.h>
#include <httplib.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "bench/forked_server.h"
#include "http/fleet.h"

namespace assay {
namespace {

constexpr auto kLatency = std::chrono::milliseconds(50);
constexpr Index kEndpoints = 8;

// /wait answers after kLatency, /bytes/N with N bytes at once.
void serve(int told) {
  httplib::Server server;
  server.set_tcp_nodelay(true);
  server.set_keep_alive_max_count(1 << 30);
  server.Get("/wait", [](const auto&, auto& reply) {
    std::this_thread::sleep_for(kLatency);
    reply.set_content("done", "text/plain");
  });
  server.Get(R"(/bytes/(\d+))", [](const auto& request, auto& reply) {
    static const std::string all(std::size_t{16} << 20, 'x');
    const std::size_t size = std::stoul(request.matches[1]);
    reply.set_content_provider(size, "text/plain", [](std::size_t from, std::size_t length, auto& sink) {
      return sink.write(all.data() + from, length);
    });
  });
  const int port = server.bind_to_any_port("127.0.0.1");
  if (::write(told, &port, sizeof port) == sizeof port) server.listen_after_bind();
}

struct Cost {
  double wall_s;
  double cpu_s;
};

Cost run_jobs(const std::vector<std::string>& endpoints, Index jobs, const std::string& path) {
  HttpClient client;
  FleetOptions options;
  options.endpoints = endpoints;
  Fleet fleet(client, options);
  std::size_t bytes = 0;
  FleetWork work;
  work.jobs = jobs;
  work.request = [&](Index) {
    HttpRequest request;
    request.url = path;
    return request;
  };
  work.take = [&](Index, const FleetReply& reply) -> Result<void> {
    bytes += reply.http.body.size();
    return {};
  };
  const auto start = std::chrono::steady_clock::now();
  const double cpu = cpu_seconds(RUSAGE_THREAD);
  const auto ended = fleet.run(work);
  require(ended.ok() && *ended && bytes > 0, "the run succeeds");
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          cpu_seconds(RUSAGE_THREAD) - cpu};
}

Json scaling(const std::vector<std::string>& endpoints) {
  const Cost one = run_jobs({endpoints[0]}, 40, "/wait");
  const Cost all = run_jobs(endpoints, 40 * kEndpoints, "/wait");
  const double one_rate = 40 / one.wall_s;
  const double all_rate = 40 * kEndpoints / all.wall_s;
  return {{"latency_ms", kLatency.count()},
          {"endpoints", kEndpoints},
          {"in_flight_each", 1},
          {"jobs_a_second_one", one_rate},
          {"jobs_a_second_all", all_rate},
          {"ratio", all_rate / one_rate},
          {"bar", 7}};
}

// The best of five: the servers share the cores.
Json overhead(const std::vector<std::string>& endpoints, Index replies, Index bytes_each) {
  const std::string path = "/bytes/" + std::to_string(bytes_each);
  Cost best = run_jobs(endpoints, replies, path);
  for (int i = 0; i < 4; ++i) {
    const Cost cost = run_jobs(endpoints, replies, path);
    if (cost.cpu_s < best.cpu_s) best = cost;
  }
  const double hundred_megabytes = static_cast<double>(replies * bytes_each) / 1e8;
  return {{"replies", replies},
          {"bytes_each", bytes_each},
          {"megabytes_a_second", 100 * hundred_megabytes / best.wall_s},
          {"cpu_s_per_100_mb", best.cpu_s / hundred_megabytes},
          {"share_of_a_core_while_it_ran", best.cpu_s / best.wall_s}};
}

int run() {
  std::vector<std::unique_ptr<ForkedServer>> servers;
  std::vector<std::string> endpoints;
  for (Index i = 0; i < kEndpoints; ++i) {
    servers.push_back(std::make_unique<ForkedServer>(serve));
    endpoints.push_back(servers.back()->url());
  }
  const Json json = {{"scaling", scaling(endpoints)},
                     {"overhead_bar_cpu_s_per_100_mb", 0.05},
                     {"overhead", {overhead(endpoints, 1000, 100'000), overhead(endpoints, 40, 12'500'000)}}};
  fmt::print("{}\n", json.dump(1));
  return 0;
}

}  // namespace
}  // namespace assay

int main() { return assay::run(); }
