// Texts of servers, before they stand in an error or a record.
#pragma once

#include <string>
#include <string_view>

#include "http/client.h"

namespace assay {

// Whether a key, a variable or an option is named after keys, tokens, secrets, passwords, credentials or
// authorization; tokenizers are none.
bool names_a_secret(std::string_view name);

// `text` with *** for each value (8 bytes or longer) of an environment variable that names_a_secret.
std::string masked(std::string text);

// words_of (http/reply_words.h) of a reply whose body is masked before anything is cut from it.
std::string masked_words_of(const HttpReply& reply);

}  // namespace assay
