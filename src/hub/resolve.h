// resolve_model with its surroundings given, for tests.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/error.h"
#include "hub/download.h"
#include "hub/environment.h"
#include "hub/hub.h"

namespace assay {

struct HubLimits {
  DownloadLimits download = {};
  Patience patience = {};
};

// As resolve_model, of a name that is no folder.
Result<std::filesystem::path> resolve_in_hub(std::string_view name, const HubOptions& options,
                                             const HubEnvironment& environment, const HubLimits& limits);

}  // namespace assay
