#include "hub/listing.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/json.h"
#include "hub/name.h"

namespace assay {
namespace {

const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<std::optional<std::string>> hash_in(const Json& object, const std::string& source, const char* key,
                                           std::size_t digits) {
  const Json* value = member(object, key);
  if (value == nullptr) return std::optional<std::string>();
  if (value->is_string() && is_hex(value->get<std::string>(), digits)) {
    return std::optional(value->get<std::string>());
  }
  return Error{source, key, std::to_string(digits) + " hexadecimal digits", describe(*value)};
}

// `lfs`: where the SHA-256 of a large file is, under `lfs_key`.
Result<HubFile> file_of(std::string name, const Json& object, const Json* lfs, const char* lfs_key,
                        const char* blob_key, const std::string& source) {
  if (!stays_inside(name))
    return Error{source, "", "a file name within the repository", describe(Json(name))};
  HubFile file{.name = std::move(name)};
  if (lfs != nullptr) {
    auto hash = hash_in(*lfs, source, lfs_key, kSha256Digits);
    if (!hash) return hash.error();
    file.hash = *std::move(hash);
  }
  if (lfs == nullptr || !file.hash) {
    auto hash = hash_in(object, source, blob_key, kSha1Digits);
    if (!hash) return hash.error();
    file.hash = *std::move(hash);
  }
  if (member(object, "size") != nullptr) {
    const auto size = json_get<std::size_t>(object, source, "size");
    if (!size) return size.error();
    file.size = *size;
  }
  return file;
}

Result<void> add(Listing& listing, Result<HubFile> file, std::set<std::string>& names,
                 const std::string& source) {
  if (!file) return file.error();
  if (!names.insert(file->name).second) return Error{source, file->name, "a file once", "twice"};
  listing.files.push_back(*std::move(file));
  return {};
}

}  // namespace

std::vector<HubFile> wanted_files(const Listing& listing, HubFiles files) {
  std::vector<HubFile> wanted;
  for (const HubFile& file : listing.files) {
    const auto ends = [&](std::string_view ending) { return file.name.ends_with(ending); };
    if (file.name.find('/') != std::string::npos || file.name.starts_with('.')) continue;
    const bool small = ends(".json") || ends(".jinja") || ends(".txt") || ends(".model");
    if (small || (files == HubFiles::all && ends(".safetensors"))) wanted.push_back(file);
  }
  return wanted;
}

Result<Listing> read_api_listing(std::string_view text, const std::string& source) {
  const auto json = parse_json(text, source);
  if (!json) return json.error();
  auto commit = json_get<std::string>(*json, source, "sha");
  if (!commit) return commit.error();
  if (!is_hex(*commit, kSha1Digits)) {
    return Error{source, "sha", "a commit of 40 hexadecimal digits", describe(Json(*commit))};
  }
  const Json* siblings = member(*json, "siblings");
  if (siblings == nullptr || !siblings->is_array())
    return Error{source, "siblings", "a list of files", "none"};
  Listing listing{.commit = *std::move(commit), .files = {}};
  std::set<std::string> names;
  for (const Json& sibling : *siblings) {
    auto name = json_get<std::string>(sibling, source, "rfilename");
    if (!name) return name.error();
    auto file = file_of(*std::move(name), sibling, member(sibling, "lfs"), "sha256", "blobId", source);
    if (auto added = add(listing, std::move(file), names, source); !added) return added.error();
  }
  return listing;
}

std::string listing_text(const Listing& listing) {
  Json files = Json::object();
  for (const HubFile& file : listing.files) {
    Json entry = Json::object();
    if (file.size) entry["size"] = *file.size;
    if (file.hash) entry[file.hash->size() == kSha256Digits ? "lfs_sha256" : "blob_id"] = *file.hash;
    files[file.name] = std::move(entry);
  }
  return Json{{"format_version", 1}, {"files", std::move(files)}}.dump(1) + "\n";
}

Result<Listing> read_listing(std::string_view text, const std::string& commit, const std::string& source) {
  const auto json = parse_json(text, source);
  if (!json) return json.error();
  const auto version = json_get<int>(*json, source, "format_version");
  if (!version) return version.error();
  if (*version != 1) return Error{source, "format_version", "1", std::to_string(*version)};
  const Json* files = member(*json, "files");
  if (files == nullptr || !files->is_object()) return Error{source, "files", "an object", "none"};
  Listing listing{.commit = commit, .files = {}};
  std::set<std::string> names;
  for (const auto& [name, entry] : files->items()) {
    const Json* lfs = member(entry, "lfs_sha256") == nullptr ? nullptr : &entry;
    auto file = file_of(name, entry, lfs, "lfs_sha256", "blob_id", source);
    if (auto added = add(listing, std::move(file), names, source); !added) return added.error();
  }
  return listing;
}

}  // namespace assay
