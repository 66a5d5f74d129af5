#include "experiment/server_section.h"

#include <algorithm>
#include <sstream>

#include "engine/remote/endpoint_url.h"
#include "engine/remote/masked.h"

namespace assay {
namespace {

constexpr std::array<std::string_view, 3> kEngines = {"vllm", "sglang", "openai"};
constexpr Index kMostInFlight = 4096;
constexpr Index kLongestTimeout = 86'400;

void refuse_server_keys(YamlSection& section) {
  for (const std::string_view key : kServerKeys) {
    if (key == "engine" || !section.has(key)) continue;
    section.fail(section.node(std::string(key)), key, "nothing, where no engine is named", std::string(key));
  }
}

// Of a command: "--api-key" or "NAME" in front of a secret that is written out; "" = none. A shell variable is none.
std::string written_secret(const std::string& command) {
  constexpr std::string_view kOptions[] = {"--api-key", "--admin-api-key", "--hf-token",
                                           "--ssl-keyfile-password"};
  std::istringstream words(command);
  std::string before;
  for (std::string word; words >> word; before = word) {
    std::string name = before;
    std::string value = word;
    if (const std::size_t equals = word.find('='); equals != std::string::npos) {
      name = word.substr(0, equals);
      value = word.substr(equals + 1);
    }
    name.erase(0, name.find_first_not_of("'\""));
    value.erase(0, value.find_first_not_of("'\""));
    if (value.empty() || value.front() == '$' || value.find_first_not_of("0123456789") == std::string::npos)
      continue;
    const bool option = std::find(std::begin(kOptions), std::end(kOptions), name) != std::end(kOptions);
    const bool variable =
        word.find('=') != std::string::npos && !name.starts_with('-') && names_a_secret(name);
    if (option || variable) return name;
  }
  return "";
}

}  // namespace

std::optional<ServerChoice> read_server(YamlSection& section, const std::filesystem::path& folder) {
  ServerChoice server{.engine = section.text("engine", "native")};
  if (server.engine == "native") {
    refuse_server_keys(section);
    return {};
  }
  if (std::find(kEngines.begin(), kEngines.end(), server.engine) == kEngines.end()) {
    section.fail(section.node("engine"), "engine", "native, vllm, sglang or openai", server.engine);
    return {};
  }
  if (section.has("endpoint") == section.has("launch")) {
    section.fail(section.node("engine"), "endpoint", "either an endpoint or a launch command",
                 section.has("launch") ? "both" : "neither");
    return {};
  }
  if (section.has("launch")) {
    server.launch = section.text("launch");
    if (const std::string name = written_secret(server.launch); !name.empty()) {
      section.fail(section.node("launch"), "launch",
                   "secrets as variables of the shell ($NAME): the command is recorded",
                   name + " with a value");
    }
  } else if (auto bases = endpoint_bases(section.texts("endpoint"), "endpoint")) {
    server.endpoints = *std::move(bases);
  } else {
    section.fail(section.node("endpoint"), bases.error().key, bases.error().expected, bases.error().found);
  }
  server.served_model = section.text("served_model_name", "");
  server.in_flight = section.integer("in_flight", 1, kMostInFlight, server.in_flight);
  server.timeout_s = section.integer("timeout_s", 1, kLongestTimeout, server.timeout_s);
  server.token_variable = section.text("token_variable", "");
  server.ca_file = section.text("ca_file", "");
  if (!server.ca_file.empty()) server.ca_file = (folder / server.ca_file).string();
  server.verify_tls = section.boolean("verify_tls", server.verify_tls);
  return server;
}

}  // namespace assay
