#include "checkpoint/model_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/sha256.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> environment_path(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return fs::path(value);
}

std::optional<fs::path> hub_cache() {
  if (const auto cache = environment_path("HF_HUB_CACHE")) return cache;
  if (const auto home = environment_path("HF_HOME")) return *home / "hub";
  if (const auto cache = environment_path("XDG_CACHE_HOME")) return *cache / "huggingface" / "hub";
  if (const auto home = environment_path("HOME")) return *home / ".cache" / "huggingface" / "hub";
  return std::nullopt;
}

// Letters, digits, '-', '_' and '.', not beginning with '.': one component of a path, and nothing else.
bool is_plain_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name[0] != '.' && std::all_of(name.begin(), name.end(), allowed);
}

// The folder that the Hub's client keeps the repository "organisation/name" in; "" if it is no such name.
std::string repository_folder(std::string_view name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return "";
  const auto organisation = name.substr(0, slash);
  const auto model = name.substr(slash + 1);
  if (!is_plain_name(organisation) || !is_plain_name(model)) return "";
  return fmt::format("models--{}--{}", organisation, model);
}

Result<fs::path> find_snapshot(const fs::path& repository) {
  const fs::path ref = repository / "refs" / "main";
  auto text = read_text(ref);
  if (!text) return text.error();
  while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
  if (!is_plain_name(*text)) return Error{ref.string(), "", "the name of a snapshot", *text};
  const fs::path snapshot = repository / "snapshots" / *text;
  if (fs::is_directory(snapshot)) return snapshot;
  return Error{snapshot.string(), "", "the snapshot that refs/main names", "no such folder"};
}

bool fixes_numbers_or_tokens(const fs::path& file) {
  static constexpr std::array<std::string_view, 7> kNames = {
      "config.json",           "quantize_config.json",         "quant_config.json",     "tokenizer.json",
      "tokenizer_config.json", "model.safetensors.index.json", "generation_config.json"};
  const std::string name = file.filename().string();
  return file.extension() == ".safetensors" || std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

Result<fs::path> find_model(std::string_view name) {
  std::error_code ignored;  // a path that cannot be asked about is not a folder
  if (!name.empty() && fs::is_directory(name, ignored)) return fs::path(name);
  std::string looked = fmt::format("no folder {}", name);
  const std::string folder = repository_folder(name);
  const auto cache = hub_cache();
  if (!folder.empty() && cache) {
    const fs::path repository = *cache / folder;
    if (fs::is_directory(repository, ignored)) return find_snapshot(repository);
    looked += fmt::format(", no folder {} (HF_HUB_CACHE, HF_HOME)", repository.string());
  }
  return Error{std::string(name), "model", "a model folder or the Hub name of a downloaded model", looked};
}

Result<std::vector<std::vector<FileHash>>> hash_files(std::span<const fs::path> folders, ThreadPool& pool) {
  struct Place {
    fs::path path;
    std::size_t folder;
  };
  std::vector<Place> places;
  for (std::size_t i = 0; i < folders.size(); ++i) {
    std::error_code problem;
    for (const auto& entry : fs::directory_iterator(folders[i], problem)) {
      if (fixes_numbers_or_tokens(entry.path())) places.push_back({entry.path(), i});
    }
    if (problem) return Error{folders[i].string(), "", "a readable folder", problem.message()};
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::pair(a.folder, a.path.filename()) < std::pair(b.folder, b.path.filename());
  });
  std::vector<FileHash> hashes(places.size());
  std::vector<std::optional<Error>> errors(places.size());
  pool.parallel_for(static_cast<Index>(places.size()), [&](Index index) {
    const auto i = static_cast<std::size_t>(index);
    const auto file = MappedFile::open(places[i].path);
    if (file) {
      hashes[i] = {places[i].path.filename().string(), file->bytes().size(), sha256_hex(file->bytes())};
    } else {
      errors[i] = file.error();
    }
  });
  std::vector<std::vector<FileHash>> by_folder(folders.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (errors[i]) return *errors[i];
    by_folder[places[i].folder].push_back(std::move(hashes[i]));
  }
  return by_folder;
}

std::string hash_of_model(const std::vector<FileHash>& files) {
  std::string lines;
  for (const FileHash& file : files) lines += fmt::format("{}  {}\n", file.sha256, file.name);
  return sha256_hex(lines);
}

}  // namespace assay
