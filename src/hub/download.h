// Files of one commit into the cache: several at once, and several ranges of a large one.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/error.h"
#include "hub/cache.h"
#include "hub/listing.h"
#include "hub/server.h"

namespace assay {

struct DownloadLimits {
  std::size_t most_whole = std::size_t{64} << 20;  // bytes of a file that one request fetches
  std::size_t piece = std::size_t{32} << 20;       // of a larger one, a request
  int at_once = 8;                                 // requests
  double progress_s = 1;                           // between two lines of progress
};

// Each file is fetched, verified against its hash, put among the blobs and linked in the snapshot; one whose blob is
// there is only linked, one that another process fetches is waited for. `files` have hash and size. What was fetched
// of a file stays when the download ends early, and is the start of the next one. Error: HubServer::refusal, a wrong
// size or hash (the file's bytes are then removed), no room (says for how many bytes), stopped.
Result<void> download(HubServer& server, const HubCache& cache, const std::string& commit,
                      const std::vector<HubFile>& files, const DownloadLimits& limits);

}  // namespace assay
