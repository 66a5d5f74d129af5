// Base64 (RFC 4648, with padding, without line ends) through OpenSSL.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace assay {

std::string base64_of(std::string_view bytes);

// Error: a length that is no multiple of 4, another character than the alphabet's, padding elsewhere than at the end.
Result<std::string> from_base64(std::string_view text);

}  // namespace assay
