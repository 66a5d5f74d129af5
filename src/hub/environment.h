// What the environment says of the Hub. Source: "Environment variables" in huggingface_hub's documentation.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"
#include "http/secret.h"

namespace assay {

struct HubEnvironment {
  // HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub; nothing
  // where there is no HOME either. A leading "~/" is HOME.
  std::optional<std::filesystem::path> cache = {};
  std::string endpoint = "https://huggingface.co";  // HF_ENDPOINT, without a trailing slash
  std::optional<Secret> token = {};                 // HF_TOKEN, else the first line of HF_HOME/token
  bool offline = false;                             // HF_HUB_OFFLINE
};

// Error: an HF_ENDPOINT that is no http or https URL or holds a user or a password, an HF_HUB_OFFLINE that is no truth
// value, a token with a control character; the token and the credentials are in no Error.
Result<HubEnvironment> hub_environment();

}  // namespace assay
