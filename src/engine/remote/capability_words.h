// Capabilities in words, for records.
#pragma once

#include "engine/remote/dialect.h"

namespace assay {

// top_k_limit ("20", "none"), prompt_logprobs, generates, ranks, forced_decode, ids_of_interest ("yes", "no"), ids
// ("ids", "retokenized").
Environment capability_words(const Capabilities& capabilities);

}  // namespace assay
