#include "hub/resolve.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <utility>

#include "hub/cache.h"
#include "hub/repository.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

bool is_folder(const fs::path& path) {
  std::error_code ignored;  // a path that cannot be asked about is not a folder
  return fs::is_directory(path, ignored);
}

// What the cache has of a name.
struct Cached {
  std::string commit;
  std::optional<Listing> listing;  // nothing: not known which files there are
};

// Error: a ref without its snapshot.
Result<std::optional<Cached>> look_up(const HubCache& cache) {
  const auto commit = cache.commit();
  if (!commit) return commit.error();
  if (!*commit || !is_folder(cache.snapshot(**commit))) return std::optional<Cached>();
  return std::optional(Cached{**commit, cache.listing(**commit)});
}

// A model that another tool may have downloaded.
bool looks_whole(const fs::path& snapshot, HubFiles files) {
  std::error_code problem;
  if (!fs::exists(snapshot / "config.json", problem)) return false;
  if (files == HubFiles::tokenizer_and_config) return fs::exists(snapshot / "tokenizer.json", problem);
  for (const auto& entry : fs::directory_iterator(snapshot, problem)) {
    if (entry.path().extension() == ".safetensors" && entry.exists(problem)) return true;
  }
  return false;
}

Error not_in_cache(const HubCache& cache, std::string_view name, const char* why) {
  std::string found = fmt::format("no folder {}, no folder {}", name, cache.folder().string());
  if (is_folder(cache.folder())) {
    found = fmt::format("no folder {}, no whole snapshot for {} in {}", name,
                        (cache.folder() / "refs" / cache.name().revision).string(), cache.folder().string());
  }
  return {std::string(name), "model", "a model folder or the Hub name of a downloaded model",
          fmt::format("{} (HF_HUB_CACHE, HF_HOME; {})", found, why)};
}

Error incomplete(const HubCache& cache, const std::string& commit, const std::vector<HubFile>& missing,
                 const char* why) {
  std::vector<std::string> names;
  for (const HubFile& file : missing) names.push_back(file.name);
  return {cache.snapshot(commit).string(), "", fmt::format("{}", fmt::join(names, ", ")),
          fmt::format("an incomplete download ({})", why)};
}

// The listing may come from the server; the snapshot that is used when it does not answer.
Result<Listing> listing_of(HubServer& server, const HubCache& cache, const std::optional<Cached>& cached) {
  if (cached && cached->listing) return *cached->listing;
  // A snapshot at hand is completed: "main" stays what it was when it was first downloaded.
  const std::string& revision = cached ? cached->commit : cache.name().revision;
  return fetch_listing(server, cache.name().repository, revision);
}

Result<fs::path> fetch(HubServer& server, const HubCache& cache, const Listing& listing, HubFiles files,
                       const DownloadLimits& limits) {
  const std::vector<HubFile> wanted = wanted_files(listing, files);
  if (wanted.empty()) {
    return Error{cache.name().repository, "", "a repository with a model's files",
                 fmt::format("{} files, none of a model", listing.files.size())};
  }
  std::vector<HubFile> missing = cache.missing(listing.commit, wanted);
  for (HubFile& file : missing) {
    auto known = with_hash_and_size(server, cache.name().repository, listing.commit, file);
    if (!known) return known.error();
    file = *std::move(known);
  }
  const auto listed = cache.keep_listing(listing);  // first: says that a snapshot is not whole yet
  if (!missing.empty()) {
    if (!listed) return listed.error();
    if (auto done = download(server, cache, listing.commit, missing, limits); !done) return done.error();
  }
  const auto kept = cache.keep_commit(listing.commit);
  if (!kept && !missing.empty())
    return kept.error();  // where nothing was missing, the cache may be read-only
  return cache.snapshot(listing.commit);
}

Result<fs::path> resolve(std::string_view name, const HubOptions& options, const HubEnvironment& environment,
                         const HubLimits& limits) {
  const auto parsed = parse_hub_name(name);
  if (!parsed) {
    return Error{std::string(name), "model",
                 "a model folder or a Hub name (organisation/name or organisation/name@revision)",
                 fmt::format("no folder {}", name)};
  }
  if (!environment.cache)
    return Error{"", "HF_HUB_CACHE", "a folder for the Hub's cache", "none, and no HOME"};
  const HubCache cache(*environment.cache, *parsed);
  const auto cached = look_up(cache);
  if (!cached) return cached.error();
  if (*cached && (*cached)->listing) {
    const auto& listing = *(*cached)->listing;
    if (cache.missing(listing.commit, wanted_files(listing, options.files)).empty()) {
      return cache.snapshot(listing.commit);
    }
  }
  if (environment.offline || !options.download) {
    const char* why = environment.offline ? "HF_HUB_OFFLINE is set" : "no download was asked for";
    if (!*cached) return not_in_cache(cache, name, why);
    const std::string& commit = (*cached)->commit;
    if (!(*cached)->listing) return cache.snapshot(commit);
    return incomplete(cache, commit, cache.missing(commit, wanted_files(*(*cached)->listing, options.files)),
                      why);
  }
  const bool usable = *cached && looks_whole(cache.snapshot((*cached)->commit), options.files);
  HubServer server(environment, options, limits.patience);
  const auto listing = listing_of(server, cache, *cached);
  if (listing) return fetch(server, cache, *listing, options.files, limits.download);
  if (!usable || options.stopped()) {
    Error error = listing.error();
    if (!*cached) error.found += fmt::format("; no folder {}, no folder {}", name, cache.folder().string());
    return error;
  }
  server.log(fmt::format("{}: the cache is used as it is; {}", name, listing.error().message()));
  return cache.snapshot((*cached)->commit);
}

}  // namespace

Result<fs::path> resolve_in_hub(std::string_view name, const HubOptions& options,
                                const HubEnvironment& environment, const HubLimits& limits) {
  if (!environment.token) return resolve(name, options, environment, limits);
  const Secret& token = *environment.token;
  HubOptions masked = options;  // what a server says may repeat the token
  masked.log = [&](const std::string& line) { options.log(token.hide_in(line)); };
  auto folder = resolve(name, masked, environment, limits);
  if (folder) return folder;
  const Error& error = folder.error();
  return Error{token.hide_in(error.file), token.hide_in(error.key), token.hide_in(error.expected),
               token.hide_in(error.found)};
}

Result<fs::path> resolve_model(std::string_view name, const HubOptions& options) {
  if (!name.empty() && is_folder(name)) return fs::path(name);
  const auto environment = hub_environment();
  if (!environment) return environment.error();
  return resolve_in_hub(name, options, *environment, {});
}

}  // namespace assay
