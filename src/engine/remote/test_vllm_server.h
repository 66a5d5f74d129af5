// A vLLM server on a real socket, and engines over it, for tests.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/remote/remote_engine.h"
#include "engine/vllm/fake_vllm.h"
#include "http/test_servers.h"

namespace assay {

// Answers from a FakeVllm; `intercept` may answer in its place.
class VllmServer {
 public:
  explicit VllmServer(FakeVllm with = {}) : fake(std::move(with)) {
    const auto answer = [this](const httplib::Request& request, httplib::Response& response) {
      const std::scoped_lock lock(mutex_);
      if (request.has_header("Authorization")) authorization = request.get_header_value("Authorization");
      if (intercept && intercept(request, response)) return;
      const HttpReply reply =
          fake.answer({.method = request.method, .url = request.path, .body = request.body});
      response.status = reply.status;
      response.set_content(reply.body, "application/json");
      bodies.push_back(reply.body);
    };
    server_->Get(".*", answer);
    server_->Post(".*", answer);
    server_.start();
  }
  std::string url() const { return server_.url(); }
  void stop() { server_.stop(); }

  FakeVllm fake;
  std::function<bool(const httplib::Request&, httplib::Response&)> intercept;
  std::string authorization;
  std::vector<std::string> bodies;

 private:
  std::mutex mutex_;
  HttpTestServer server_;
};

inline Setup setup_for(const std::vector<std::string>& endpoints) {
  return {.name = "served",
          .model = ASSAY_SOURCE_DIR "/models/tiny-qwen3-awq",
          .quantization = "awq",
          .dtype = "float16",
          .device = "h100",
          .server = ServerChoice{.engine = "vllm", .endpoints = endpoints, .served_model = "m"}};
}

inline std::unique_ptr<Engine> open(const Setup& setup, const EngineOptions& options = {}) {
  auto engine = open_remote_engine(setup, options);
  if (!engine) throw Fault(engine.error().message());
  return *std::move(engine);
}

inline std::string refusal(const Setup& setup, const EngineOptions& options = {}) {
  const auto engine = open_remote_engine(setup, options);
  return engine ? "no error" : engine.error().message();
}

inline ScoreRequest request_of(Index job, Replay replay = Replay::prefill) {
  const auto id = [&](Index i) { return static_cast<TokenId>((job * 131 + i * 577 + 31) % 4000); };
  ScoreRequest request{.tokens = {}, .prompt_length = 6, .asked = {}, .replay = replay, .check_tokens = true};
  for (Index i = 0; i < 9; ++i) request.tokens.push_back(id(i));
  for (const Index position : {4, 5, 7}) request.asked.push_back({position, {}, 5});
  return request;
}

}  // namespace assay
