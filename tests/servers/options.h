// The command line of mock_server.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/index.h"
#include "record/record.h"
#include "servers/faults.h"

namespace assay {

struct ServerOptions {
  std::string dialect;  // vllm, sglang or openai
  Setup setup;          // of the native engine that computes the answers
  std::string served_name;
  int port = 0;                  // 0: a free one
  std::string port_file;         // where the port is written once requests are taken; "" = nowhere
  Index max_logprobs = 0;        // -1 = no limit
  bool trace = true;             // vllm serve --enable-trace-replay
  bool prompt_ids = true;        // vllm's Model Runner V2, which knows prompt_logprob_token_ids
  bool scale_out = true;         // vllm serve --enable-scale-out: /inference/v1/generate
  bool batch_invariant = false;  // what the server says of its kernels
  bool echo = false;             // openai: takes "echo"
  bool remember = false;         // computes the same answer once
  std::string token;             // that requests must bear; "" = none
  std::chrono::milliseconds latency{0};
  std::chrono::milliseconds slow{5000};    // of FaultKind::slow
  std::optional<std::string> fingerprint;  // "" = replies have none; default: one of vLLM's form
  std::string certificate;                 // PEM files of TLS; "" = none
  std::string key;
  std::vector<PlannedFault> faults;
  Index fault_min_tokens =
      0;  // requests with shorter prompts are neither counted nor harmed (a client's probes)
};

// The options, or the exit code where there is nothing to serve (a wrong option, --help).
struct ParsedServerOptions {
  std::optional<ServerOptions> options;
  int exit_code = 0;
};
ParsedServerOptions parse_server_options(int argc, char** argv);

}  // namespace assay
