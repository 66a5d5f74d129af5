#include "hub/cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <utility>

#include "base/file.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

std::string folder_name(const std::string& repository) {
  const std::size_t slash = repository.find('/');
  return fmt::format("models--{}--{}", repository.substr(0, slash), repository.substr(slash + 1));
}

// Several may write one link at once, threads too.
std::string temporary_name(const std::string& name) {
  static std::atomic<unsigned> count = 0;
  return fmt::format("{}.tmp{}.{}", name, ::getpid(), count++);
}

}  // namespace

HubCache::HubCache(const fs::path& root, HubName name)
    : name_(std::move(name)),
      folder_(root / folder_name(name_.repository)),
      locks_(root / ".locks" / folder_name(name_.repository)) {}

Result<std::optional<std::string>> HubCache::commit() const {
  if (is_hex(name_.revision, kSha1Digits)) return std::optional(name_.revision);
  const fs::path ref = folder_ / "refs" / name_.revision;
  std::error_code ignored;
  if (!fs::exists(ref, ignored)) return std::optional<std::string>();
  auto text = read_text(ref);
  if (!text) return text.error();
  while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
  if (!is_plain_name(*text)) return Error{ref.string(), "", "the name of a snapshot", *text};
  return std::optional(*std::move(text));
}

std::optional<Listing> HubCache::listing(const std::string& commit) const {
  for (const char* place : {".assay", "trees"}) {
    const fs::path path = folder_ / place / (commit + ".json");
    std::error_code ignored;
    if (!fs::exists(path, ignored)) continue;
    const auto text = read_text(path);
    if (!text) continue;
    if (auto listing = read_listing(*text, commit, path.string())) return *std::move(listing);
  }
  return std::nullopt;
}

std::vector<HubFile> HubCache::missing(const std::string& commit, const std::vector<HubFile>& files) const {
  std::vector<HubFile> missing;
  for (const HubFile& file : files) {
    std::error_code ignored;
    if (!fs::is_regular_file(snapshot(commit) / file.name, ignored)) missing.push_back(file);
  }
  return missing;
}

Result<void> HubCache::keep_listing(const Listing& listing) const {
  return write_atomically(folder_ / ".assay" / (listing.commit + ".json"), listing_text(listing));
}

Result<void> HubCache::keep_commit(const std::string& commit) const {
  if (name_.revision == commit) return {};
  return write_atomically(folder_ / "refs" / name_.revision, commit);
}

Result<void> HubCache::link(const std::string& commit, const std::string& file,
                            const std::string& hash) const {
  const fs::path path = snapshot(commit) / file;
  const fs::path temporary = path.parent_path() / temporary_name(path.filename().string());
  const fs::path target = blob(hash).lexically_relative(path.parent_path());
  std::error_code problem;
  fs::create_directories(path.parent_path(), problem);
  if (!problem) fs::create_symlink(target, temporary, problem);
  if (!problem) fs::rename(temporary, path, problem);
  if (!problem) return {};
  std::error_code ignored;
  fs::remove(temporary, ignored);
  return Error{path.string(), "", "a place where a symbolic link can be made", problem.message()};
}

}  // namespace assay
