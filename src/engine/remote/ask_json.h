// Small JSON replies of a server about itself, and requests with a JSON body.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "engine/remote/dialect.h"

namespace assay {

HttpRequest post_json(const std::string& path, const Json& body);

// The object at `path`. Error: no reply, another status than 200, no JSON object.
Result<Json> require_json(const Ask& ask, const std::string& path);

// Likewise; none where the server has no such path or does not show it (any status but 200).
Result<std::optional<Json>> ask_json(const Ask& ask, const std::string& path);

// object[key] as text: strings as they are, numbers and booleans as JSON; "" where there is none, or null.
std::string text_at(const Json& object, const std::string& key);

// "/generate: HTTP 404: not found": words_of of http/reply_words.h, masked.
std::string words_of(const HttpReply& reply, const std::string& path);

}  // namespace assay
