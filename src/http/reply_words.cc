#include "http/reply_words.h"

#include <fmt/format.h>

#include "base/json.h"

namespace assay {
namespace {

constexpr std::size_t kMostCharacters = 300;
constexpr std::size_t kMostParsed = std::size_t{64} << 10;  // a longer body is no error message

std::string message_in(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object()) return {};
  for (const char* key : {"error", "message", "detail"}) {
    const auto found = value.find(key);
    if (found == value.end()) continue;
    if (std::string message = message_in(*found); !message.empty()) return message;
    if (!found->is_null()) return found->dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return {};
}

std::string message_of_body(const std::string& body) {
  if (body.size() <= kMostParsed) {
    const auto parsed = parse_json(body, "");
    if (std::string message = parsed ? message_in(*parsed) : ""; !message.empty()) return message;
  }
  return body.substr(0, kMostParsed);
}

// Valid UTF-8 in one line.
std::string printable(const std::string& text) {
  std::string clean =
      Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return clean;
}

std::string first_characters(const std::string& text, std::size_t count) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool starts_character = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
    if (starts_character && count-- == 0) return text.substr(0, at) + "...";
  }
  return text;
}

}  // namespace

ReplyClass class_of(const HttpReply& reply) {
  if (reply.transport == Transport::tls) return ReplyClass::refused;
  if (reply.transport != Transport::ok) return ReplyClass::try_again;
  if (reply.status >= 200 && reply.status < 300) return ReplyClass::usable;
  const bool passing =
      reply.status == 408 || reply.status == 429 || (reply.status >= 500 && reply.status < 600);
  return passing ? ReplyClass::try_again : ReplyClass::refused;
}

std::string words_of(const HttpReply& reply, const std::optional<Secret>& token) {
  std::string message = reply.transport == Transport::ok ? message_of_body(reply.body) : reply.trouble;
  if (token) message = token->hide_in(std::move(message));
  message = first_characters(printable(message), kMostCharacters);
  const std::string head =
      reply.transport == Transport::ok ? fmt::format("HTTP {}", reply.status) : word(reply.transport);
  return message.empty() ? head : head + ": " + message;
}

}  // namespace assay
