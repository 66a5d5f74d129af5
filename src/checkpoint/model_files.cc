#include "checkpoint/model_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

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

Result<std::vector<FileHash>> hash_files(const fs::path& folder) {
  std::vector<FileHash> hashes;
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(folder, problem)) {
    if (!fixes_numbers_or_tokens(entry.path())) continue;
    const auto file = MappedFile::open(entry.path());
    if (!file) return file.error();
    hashes.push_back({entry.path().filename().string(), file->bytes().size(), sha256_hex(file->bytes())});
  }
  if (problem) return Error{folder.string(), "", "a readable folder", problem.message()};
  std::sort(hashes.begin(), hashes.end(),
            [](const FileHash& a, const FileHash& b) { return a.name < b.name; });
  return hashes;
}

std::string hash_of_model(const std::vector<FileHash>& files) {
  std::string lines;
  for (const FileHash& file : files) lines += fmt::format("{}  {}\n", file.sha256, file.name);
  return sha256_hex(lines);
}

}  // namespace assay
