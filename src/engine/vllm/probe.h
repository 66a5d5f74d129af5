// What a vLLM server can do, found out by a handful of requests of a few tokens each.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/remote/dialect.h"

namespace assay {

// Capabilities, identity and context length. Error: what read_identity refuses; no answer where one is due.
Result<Probe> probe_vllm(const Ask& ask, const std::string& model, const std::string& salt);

// Whether a reply's id is that of request `id`, with what the server puts around it: "cmpl-ID", "cmpl-ID-0". The number
// at an id's end is whole: "ID-12" is not of "ID-1".
bool carries_id(std::string_view found, std::string_view id);

// Whether replies carry the request's id.
bool echoes_ids(const Probe& probe);

// "... which is greater than max allowed: 20" -> 20; none: the text does not say.
std::optional<Index> allowed_in(std::string_view message);

}  // namespace assay
