// Model names as Hugging Face tools resolve them: a folder, else the HF cache, else a download into that cache, laid
// out so that Python's huggingface_hub finds it (blobs, snapshots, refs; symbolic links). Source: the cache layout
// and environment variables in huggingface_hub's documentation.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace assay {

// Which of a repository's files are wanted.
enum class HubFiles : std::uint8_t { all, tokenizer_and_config };

struct HubOptions {
  HubFiles files = HubFiles::all;
  bool download = true;  // false, or HF_HUB_OFFLINE: only what the cache has
  std::function<void(const std::string&)> log = [](const std::string&) {};  // progress, a line at a time
  std::function<bool()> stopped = [] { return false; };
};

// The folder of `name`: an existing folder, or "organisation/name" or "organisation/name@revision" (branch, tag or
// commit; default main). Reads HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HF_ENDPOINT, HF_TOKEN (else HF_HOME/token),
// HF_HUB_OFFLINE. Error: not a folder and not a name, not in the cache while offline (lists where it looked),
// 401/403/404 (says whether a token was sent), a wrong hash or size, no room, stopped. A download that stopped
// resumes. No Error and no log line holds the token.
Result<std::filesystem::path> resolve_model(std::string_view name, const HubOptions& options = {});

}  // namespace assay
