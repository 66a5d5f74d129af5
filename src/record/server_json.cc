#include "record/server_json.h"

#include "record/json_codec.h"

namespace assay {

Json server_to_json(const ServerChoice& server) {
  Json json = {{"engine", server.engine}, {"endpoints", server.endpoints}};
  if (!server.launch.empty()) json["launch"] = server.launch;
  if (!server.served_model.empty()) json["served_model"] = server.served_model;
  json["in_flight"] = server.in_flight;
  return json;
}

Result<ServerChoice> server_from_json(const Json& object, const std::string& file, const std::string& key) {
  static constexpr std::string_view kKnown[] = {"engine", "endpoints", "launch", "served_model", "in_flight"};
  const auto json = json_get_object(object, file, key);
  if (!json) return json.error();
  const std::string where = file + ": " + key;
  if (const auto known = refuse_unknown_keys(**json, where, kKnown); !known) return known.error();
  const auto engine = json_get<std::string>(**json, where, "engine");
  if (!engine) return engine.error();
  const auto endpoints = json_get_array<std::string>(**json, where, "endpoints");
  if (!endpoints) return endpoints.error();
  const auto in_flight = json_get<Index>(**json, where, "in_flight");
  if (!in_flight) return in_flight.error();
  if (*in_flight < 1) return Error{where, "in_flight", "at least 1", std::to_string(*in_flight)};
  ServerChoice server{.engine = *engine, .endpoints = *endpoints, .in_flight = *in_flight};
  for (const auto& [name, member] :
       {std::pair{"launch", &ServerChoice::launch}, {"served_model", &ServerChoice::served_model}}) {
    if (!(*json)->contains(name)) continue;
    const auto value = json_get<std::string>(**json, where, name);
    if (!value) return value.error();
    server.*member = *value;
  }
  return server;
}

}  // namespace assay
