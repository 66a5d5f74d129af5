// The part of the Hub's cache that one repository has. Source: "Understand caching" in huggingface_hub's documentation.
//
//   models--organisation--name/refs/{branch or tag}        the commit it names
//                              snapshots/{commit}/{file}   links to ../../blobs/{hash}
//                              blobs/{hash}                contents
//                              .assay/{commit}.json        the files of the commit (hub/listing.h); other tools do not read it
//                              trees/{commit}.json         the same, as newer versions of huggingface_hub write it
//   .locks/models--organisation--name/{hash}.lock          held (flock) by who writes the blob
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "hub/listing.h"
#include "hub/name.h"

namespace assay {

class HubCache {
 public:
  // `root` is the cache's folder; nothing is made in it before something is written.
  HubCache(const std::filesystem::path& root, HubName name);

  const HubName& name() const { return name_; }
  const std::filesystem::path& folder() const { return folder_; }  // the repository's
  std::filesystem::path blob(const std::string& hash) const { return folder_ / "blobs" / hash; }
  std::filesystem::path lock(const std::string& hash) const { return locks_ / (hash + ".lock"); }
  std::filesystem::path snapshot(const std::string& commit) const { return folder_ / "snapshots" / commit; }

  // What the revision was when it was last downloaded; a revision of 40 hexadecimal digits is its own commit.
  // Nothing: there is no such ref. Error: a ref that names no snapshot.
  Result<std::optional<std::string>> commit() const;
  // Nothing: none is kept, or it cannot be read.
  std::optional<Listing> listing(const std::string& commit) const;
  // Of `files`, those that the snapshot lacks.
  std::vector<HubFile> missing(const std::string& commit, const std::vector<HubFile>& files) const;

  // Error: no room, no permission, a file system without symbolic links.
  Result<void> keep_listing(const Listing& listing) const;
  Result<void> link(const std::string& commit, const std::string& file, const std::string& hash) const;
  Result<void> keep_commit(const std::string& commit) const;

 private:
  HubName name_;
  std::filesystem::path folder_;
  std::filesystem::path locks_;
};

}  // namespace assay
