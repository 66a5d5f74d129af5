// What the caller of an import knows and the file does not say.
#pragma once

#include <optional>

#include "record/record.h"

namespace assay {

struct ImportChoice {
  Setup setup;                            // that the record claims; `ids` is added to its `ran`
  std::optional<Sampling> sampling = {};  // how the tokens were chosen; none: as the file says
};

// Keys of Setup::ran that imports write.
inline constexpr const char* kIdsKey = "ids";
inline constexpr const char* kIdsRecorded = "ids";
inline constexpr const char* kIdsRetokenized =
    "retokenized";  // made from texts, as the model may not have had them

}  // namespace assay
