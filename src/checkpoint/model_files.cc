#include "checkpoint/model_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/sha256.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

bool fixes_numbers_or_tokens(const fs::path& file) {
  static constexpr std::array<std::string_view, 7> kNames = {
      "config.json",           "quantize_config.json",         "quant_config.json",     "tokenizer.json",
      "tokenizer_config.json", "model.safetensors.index.json", "generation_config.json"};
  const std::string name = file.filename().string();
  return file.extension() == ".safetensors" || std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

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
