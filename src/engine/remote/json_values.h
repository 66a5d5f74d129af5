// Values of replies, read in place with simdjson's on-demand reader. Throws simdjson::simdjson_error where the text
// is not as it must be.
#pragma once

#include <simdjson.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/remote/masked.h"
#include "engine/remote/reply_object.h"
#include "engine/remote/told_scores.h"
#include "http/client.h"

namespace assay {

// A log-probability with its float32 bits; NaN for null and NaN.
inline float told_logprob(simdjson::ondemand::value value) {
  double number = 0;
  if (value.get_double().get(number) == simdjson::SUCCESS) {
    return narrowed(number);
  }
  bool null = false;
  if (value.is_null().get(null) == simdjson::SUCCESS && null) return std::numeric_limits<float>::quiet_NaN();
  std::string_view text = value.raw_json_token();
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  if (text == "NaN") return std::numeric_limits<float>::quiet_NaN();
  if (text == "-Infinity") return -std::numeric_limits<float>::infinity();
  throw simdjson::simdjson_error(simdjson::NUMBER_ERROR);
}

inline TokenId told_id(simdjson::ondemand::value value) {
  const std::int64_t id = value.get_int64();
  if (id < 0 || id > std::numeric_limits<TokenId>::max()) {
    throw simdjson::simdjson_error(simdjson::NUMBER_OUT_OF_RANGE);
  }
  return static_cast<TokenId>(id);
}

inline std::vector<TokenId> told_ids(simdjson::ondemand::value value) {
  std::vector<TokenId> ids;
  for (auto element : value.get_array()) ids.push_back(told_id(element.value()));
  return ids;
}

// "" for null.
inline std::string told_text(simdjson::ondemand::value value) {
  if (value.is_null()) return "";
  return std::string(std::string_view(value.get_string()));
}

// None for null.
inline std::optional<Index> told_count(simdjson::ondemand::value value) {
  if (value.is_null()) return std::nullopt;
  return static_cast<Index>(value.get_int64());
}

// Gives the body's object to `read`. Error: a status that is not 200, a body that is not one JSON object to its end,
// what `read` throws.
template <class Read>
Result<void> told_object(const HttpReply& reply, const Read& read) {
  if (reply.transport != Transport::ok || reply.status != 200) {
    return Error{"", "reply", "HTTP status 200", masked_words_of(reply)};
  }
  return read_reply(reply, [&](simdjson::ondemand::object object) -> Result<void> {
    try {
      read(object);
    } catch (const simdjson::simdjson_error& error) {
      return Error{"", "body", "JSON of the dialect's shape", error.what()};
    }
    return {};
  });
}

}  // namespace assay
