// What the Hub says of a repository.
#pragma once

#include <string>

#include "base/error.h"
#include "hub/listing.h"
#include "hub/server.h"

namespace assay {

// The files of a repository at `revision`: a branch, a tag or a commit. Errors of HubServer::ask and
// read_api_listing, and a commit that is not the one asked for.
Result<Listing> fetch_listing(HubServer& server, const std::string& repository, const std::string& revision);

// The file's URL.
std::string file_url(const HubServer& server, const std::string& repository, const std::string& commit,
                     const std::string& file);

// With hash and size filled in where the listing has none (mirrors of the Hub): from the headers of a HEAD request.
// An ETag of another form than the Hub's names the blob, and cannot be verified. Error: no ETag that can name a blob,
// no size.
Result<HubFile> with_hash_and_size(HubServer& server, const std::string& repository,
                                   const std::string& commit, HubFile file);

}  // namespace assay
