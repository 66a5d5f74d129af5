#include "servers/options.h"

#include <CLI/CLI.hpp>
#include <cstdio>

namespace assay {
namespace {

Index default_max_logprobs(const std::string& dialect) {
  if (dialect == "vllm") return 20;
  return dialect == "openai" ? 5 : -1;
}

}  // namespace

ParsedServerOptions parse_server_options(int argc, char** argv) {
  ServerOptions options;
  options.setup.name = "mock";
  options.setup.dtype = "float16";
  options.setup.device = "ieee";
  std::optional<Index> max_logprobs;
  std::vector<std::string> tls;
  std::string faults;
  Index latency = 0;
  Index slow = options.slow.count();
  CLI::App app("Speaks as vLLM, SGLang or an OpenAI-style server does; the numbers are the native engine's.",
               "mock_server");
  app.add_option("--dialect", options.dialect)
      ->required()
      ->check(CLI::IsMember({"vllm", "sglang", "openai"}));
  app.add_option("--model", options.setup.model, "model folder")->required();
  app.add_option("--quantization", options.setup.quantization)->required();
  app.add_option("--device", options.setup.device, "default ieee");
  app.add_option("--dtype", options.setup.dtype, "default float16");
  app.add_option("--served-name", options.served_name, "default: the model's folder as given");
  app.add_option("--port", options.port, "of 127.0.0.1; 0 (default): a free one")
      ->check(CLI::Range(0, 65535));
  app.add_option("--port-file", options.port_file, "gets the port once requests are taken");
  app.add_option("--max-logprobs", max_logprobs, "-1: no limit; default vllm 20, openai 5, sglang none");
  app.add_flag("!--no-trace", options.trace, "vllm without --enable-trace-replay");
  app.add_flag("!--no-prompt-ids", options.prompt_ids,
               "vllm without prompt_logprob_token_ids, as Model Runner V1");
  app.add_flag("!--no-scale-out", options.scale_out, "vllm without /inference/v1/generate");
  app.add_flag("--batch-invariant", options.batch_invariant, "said of the kernels in /server_info");
  app.add_flag("--echo", options.echo, "openai: prompts may be echoed with their log-probabilities");
  app.add_flag("--remember", options.remember, "computes the same answer once");
  app.add_option("--token", options.token, "bearer token that every request but /health must have");
  app.add_option("--latency-ms", latency, "that each computed reply waits")->check(CLI::Range(0, 3600000));
  app.add_option("--slow-ms", slow, "of the fault slow, default 5000")->check(CLI::Range(0, 3600000));
  app.add_option("--fingerprint", options.fingerprint, "system_fingerprint; '': none");
  app.add_option("--tls", tls, "certificate and key, PEM")->expected(2);
  app.add_option("--fault", faults, "KIND@N[-[M]][,...]: computed requests with a fault, from 1");
  app.add_option("--fault-min-tokens", options.fault_min_tokens,
                 "only requests with as many prompt tokens count");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return {std::nullopt, app.exit(problem)};
  }
  auto parsed = parse_faults(faults);
  if (!parsed) {
    std::fprintf(stderr, "mock_server: %s\n", parsed.error().message().c_str());
    return {std::nullopt, 2};
  }
  options.faults = *std::move(parsed);
  if (options.served_name.empty()) options.served_name = options.setup.model;
  options.max_logprobs = max_logprobs.value_or(default_max_logprobs(options.dialect));
  options.latency = std::chrono::milliseconds(latency);
  options.slow = std::chrono::milliseconds(slow);
  if (!tls.empty()) options.certificate = tls[0], options.key = tls[1];
  return {options, 0};
}

}  // namespace assay
