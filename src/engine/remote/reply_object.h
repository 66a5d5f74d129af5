// The JSON object that a reply's body is, and what every dialect reads in it alike.
#pragma once

#include <simdjson.h>

#include <functional>
#include <string_view>

#include "base/error.h"
#include "http/client.h"

namespace assay {

// Gives the body's one object to `read`, which must read it to its end. Error: no JSON object, or anything behind it.
// The body keeps its padding (HttpReply::body).
Result<void> read_reply(const HttpReply& reply,
                        const std::function<Result<void>(simdjson::ondemand::object)>& read);

// The float32 that a server widened and printed; minus infinity, for which servers write kNoProbability, is that again.
float narrowed(double logprob);

// Of tokens that are spelled as ids: "token_id:872".
inline constexpr std::string_view kTokenPrefix = "token_id:";

}  // namespace assay
