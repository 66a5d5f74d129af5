// What a reply means to a fleet, and its trouble in words that may be shown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "http/client.h"

namespace assay {

enum class ReplyClass : std::uint8_t {
  usable,     // status 2xx
  try_again,  // any transport trouble but TLS; 408, 429, 500 to 599
  refused,    // TLS, and any other status
};
ReplyClass class_of(const HttpReply& reply);

// "HTTP 429: slow down" or "reset: Recv failure: ...": the message of a JSON error body (error.message, error,
// message, detail), else the body, at most 300 characters, printable, with the token masked.
std::string words_of(const HttpReply& reply, const std::optional<Secret>& token);

}  // namespace assay
