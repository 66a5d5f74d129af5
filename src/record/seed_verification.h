// The verification half of the seed's schema. Internal to record.
#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "record/record.h"

namespace assay {

Result<Verification> verification_from_seed(const Json& document, const std::string& file);

}  // namespace assay
