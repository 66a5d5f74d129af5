// What an SGLang server can do and says of itself.
#pragma once

#include <string>

#include "base/error.h"
#include "engine/remote/dialect.h"

namespace assay {

// Asks tiny questions in `dialect`'s words. Error: no reply of the right shape to any, or another model than `model`
// ("" = any).
Result<Probe> probe_sglang(const Dialect& dialect, const std::string& model, const Ask& ask);

}  // namespace assay
