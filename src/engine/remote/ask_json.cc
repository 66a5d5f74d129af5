#include "engine/remote/ask_json.h"

#include <fmt/format.h>

#include "engine/remote/masked.h"

namespace assay {
namespace {

Result<Json> read_object(const HttpReply& reply, const std::string& path) {
  if (reply.transport != Transport::ok || reply.status != 200) {
    return Error{"", path, "a reply of status 200", masked_words_of(reply)};
  }
  auto object = parse_json(reply.body, path);
  if (object && !object->is_object()) return Error{"", path, "a JSON object", describe(*object)};
  return object;
}

}  // namespace

HttpRequest post_json(const std::string& path, const Json& body) {
  return {.method = "POST",
          .url = path,
          .headers = {{"content-type", "application/json"}},
          .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Result<Json> require_json(const Ask& ask, const std::string& path) {
  return read_object(ask({.url = path}), path);
}

Result<std::optional<Json>> ask_json(const Ask& ask, const std::string& path) {
  const HttpReply reply = ask({.url = path});
  if (reply.transport == Transport::ok && reply.status != 200) return std::optional<Json>();
  auto object = read_object(reply, path);
  if (!object) return object.error();
  return std::optional(*std::move(object));
}

std::string text_at(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string words_of(const HttpReply& reply, const std::string& path) {
  return path + ": " + masked_words_of(reply);
}

}  // namespace assay
