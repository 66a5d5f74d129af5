// The files of a repository at a commit, as the Hub lists them and as the cache keeps the list.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "hub/hub.h"

namespace assay {

struct HubFile {
  std::string name;  // path within the repository; stays_inside (hub/name.h)
  // The SHA-256 of a large file (Git LFS), the SHA-1 of any other as a git blob; also its name among the cache's blobs.
  // Nothing: the server did not say.
  std::optional<std::string> hash = {};
  std::optional<std::size_t> size = {};
  bool operator==(const HubFile&) const = default;
};

struct Listing {
  std::string commit;  // 40 hexadecimal digits
  std::vector<HubFile> files;
  bool operator==(const Listing&) const = default;
};

// The files that an engine or a tokenizer reads: of the top folder, *.json, *.jinja, *.txt, *.model and, among
// HubFiles::all, *.safetensors.
std::vector<HubFile> wanted_files(const Listing& listing, HubFiles files);

// The reply of /api/models/{repository}/revision/{revision}?blobs=true. Error (its `file` is `source`): another form,
// a name that leads out of the repository, a name that occurs twice.
Result<Listing> read_api_listing(std::string_view text, const std::string& source);

// {"format_version": 1, "files": {name: {"size", "blob_id", "lfs_sha256"}}}, the form of huggingface_hub's
// trees/{commit}.json. Errors as above.
std::string listing_text(const Listing& listing);
Result<Listing> read_listing(std::string_view text, const std::string& commit, const std::string& source);

}  // namespace assay
