// Everything that can be refused is refused here.
#include <fmt/format.h>

#include <algorithm>

#include "engine/remote/dialects.h"
#include "engine/remote/endpoint_url.h"
#include "engine/remote/model_extents.h"
#include "engine/remote/remote_engine.h"
#include "hub/hub.h"

namespace assay {
namespace {

constexpr double kLaunch_s = 3600;  // a server may download its model first

Result<void> check_choice(const ServerChoice& choice) {
  if (choice.endpoints.empty() == choice.launch.empty()) {
    return Error{"", "endpoint", "either endpoints or a command to launch",
                 choice.launch.empty() ? "neither" : "both"};
  }
  if (choice.in_flight < 1) return Error{"", "in_flight", "at least 1", std::to_string(choice.in_flight)};
  if (choice.timeout_s < 1) return Error{"", "timeout_s", "at least 1", std::to_string(choice.timeout_s)};
  return {};
}

Result<Transfer> transfer_of(const ServerChoice& choice) {
  Transfer transfer{.token = {},
                    .tls = {.ca_file = choice.ca_file, .verify = choice.verify_tls},
                    .timeout_s = static_cast<double>(choice.timeout_s)};
  if (choice.token_variable.empty()) return transfer;
  auto token = Secret::from_environment(choice.token_variable);
  if (!token) {
    return Error{"", "token_variable", fmt::format("{} in {}", token.error().expected, choice.token_variable),
                 token.error().found};
  }
  transfer.token = *std::move(token);
  return transfer;
}

// Starts the setup's server and waits until it is healthy; its only endpoint goes into `parts`.
Result<void> launch(const Setup& setup, const EngineOptions& options, RemoteParts& parts) {
  if (options.log_folder.empty()) return Error{"", "launch", "a folder for the server's log", "none"};
  const auto port = free_port();
  if (!port) return port.error();
  const auto command = launch_command(setup, *port);
  if (!command) return command.error();
  std::error_code trouble;
  std::filesystem::create_directories(options.log_folder, trouble);
  if (trouble)
    return Error{options.log_folder.string(), "launch", "a folder for the server's log", trouble.message()};
  const std::filesystem::path log = options.log_folder / fmt::format("server-{}.log", setup.name);
  auto server = LaunchedServer::start(*command, log);
  if (!server) return server.error();
  parts.server = *std::move(server);
  parts.endpoints = {fmt::format("http://127.0.0.1:{}", *port)};
  options.log(fmt::format("{}: {} starts at {} (its log: {})", setup.name, setup.server->engine,
                          parts.endpoints.front(), log.string()));
  const ProbeSurroundings around{*parts.client, parts.transfer, options.log, options.stopped};
  auto healthy =
      parts.server->wait_until([&] { return is_healthy(parts.endpoints.front(), *parts.dialect, around); },
                               kLaunch_s, options.stopped);
  if (healthy) return healthy;
  Error error = healthy.error();
  error.found = parts.transfer.hidden(std::move(error.found));
  return error;
}

}  // namespace

Result<std::unique_ptr<Engine>> open_remote_engine(const Setup& setup, const EngineOptions& options) {
  require(setup.server.has_value(), "a remote engine's setup names a server");
  const ServerChoice& choice = *setup.server;
  if (auto checked = check_choice(choice); !checked) return checked.error();
  RemoteParts parts;
  parts.in_flight = choice.in_flight;
  if (choice.launch.empty()) {
    auto bases = endpoint_bases(choice.endpoints, "endpoint");
    if (!bases) return bases.error();
    parts.endpoints = *std::move(bases);
  }
  auto transfer = transfer_of(choice);
  if (!transfer) return transfer.error();
  parts.transfer = *std::move(transfer);

  const auto folder = resolve_model(
      setup.model, {.files = HubFiles::tokenizer_and_config, .log = options.log, .stopped = options.stopped});
  if (!folder) return folder.error();
  const auto extents = read_model_extents(*folder);
  if (!extents) return extents.error();
  auto dialect =
      dialect_named(choice.engine, choice.served_model.empty() ? setup.model : choice.served_model, *folder);
  if (!dialect) return dialect.error();
  parts.dialect = *std::move(dialect);

  parts.client = std::make_unique<HttpClient>();
  if (!choice.launch.empty()) {
    if (auto launched = launch(setup, options, parts); !launched) return launched.error();
  }
  auto probe = probe_endpoints(parts.endpoints, *parts.dialect,
                               {*parts.client, parts.transfer, options.log, options.stopped});
  if (!probe) return probe.error();
  parts.probe = *std::move(probe);
  const Index told = parts.probe.context_length;
  parts.limits = {.setup = "setups." + setup.name,
                  .engine = choice.engine,
                  .vocabulary = extents->vocabulary,
                  .context = told == 0 ? extents->context : std::min(told, extents->context),
                  .capabilities = parts.probe.capabilities,
                  .missing = parts.probe.missing};
  return std::unique_ptr<Engine>(std::make_unique<RemoteEngine>(std::move(parts), options));
}

}  // namespace assay
