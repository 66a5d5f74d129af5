// The base URLs of endpoints.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace assay {

// Without slashes at the end. Error: none, one twice, one that is no absolute http or https URL or has a query, a
// fragment, a user or a password; such a URL is not echoed. `key` names the list in errors.
Result<std::vector<std::string>> endpoint_bases(const std::vector<std::string>& urls, const std::string& key);

}  // namespace assay
