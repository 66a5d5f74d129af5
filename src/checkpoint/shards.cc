#include "checkpoint/shards.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/json.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;  // a file that cannot be asked about is not there
  return fs::exists(path, ignored);
}

// Shards lie beside the index: no folder, no "..".
bool is_file_name(const Json& shard) {
  if (!shard.is_string()) return false;
  const auto name = shard.get<std::string>();
  return name.ends_with(".safetensors") && name.find('/') == std::string::npos;
}

Result<Shards> read_index(const fs::path& path) {
  static constexpr std::string_view kKeys[] = {"metadata", "weight_map"};
  const std::string file = path.string();
  const auto index = read_json(path);
  if (!index) return index.error();
  if (!index->is_object()) return Error{file, "", "a JSON object", describe(*index)};
  if (auto known = refuse_unknown_keys(*index, file, kKeys); !known) return known.error();
  const auto map = index->find("weight_map");
  if (map == index->end()) return Error{file, "weight_map", "an object", "nothing"};
  if (!map->is_object()) return Error{file, "weight_map", "an object", describe(*map)};
  Shards shards;
  shards.index = path;
  std::set<fs::path> files;
  for (const auto& [tensor, shard] : map->items()) {
    if (!is_file_name(shard)) {
      return Error{file, "weight_map." + tensor, "the name of a *.safetensors file", describe(shard)};
    }
    shards.file_of[tensor] = shard.get<std::string>();
    files.insert(path.parent_path() / shard.get<std::string>());
  }
  shards.files.assign(files.begin(), files.end());
  return shards;
}

// The folder's only *.safetensors file, for checkpoints that give it a name of their own.
Result<fs::path> only_file(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(folder, problem)) {
    if (entry.path().extension() == ".safetensors") found.push_back(entry.path());
  }
  if (problem) return Error{folder.string(), "", "a readable folder", problem.message()};
  if (found.size() == 1) return found[0];
  return Error{
      folder.string(), "", "model.safetensors or model.safetensors.index.json",
      found.empty() ? "no *.safetensors file" : std::to_string(found.size()) + " *.safetensors files"};
}

}  // namespace

Result<Shards> find_shards(const fs::path& folder) {
  const fs::path index = folder / "model.safetensors.index.json";
  const fs::path single = folder / "model.safetensors";
  Shards shards;
  if (is_there(index)) {
    auto read = read_index(index);
    if (!read) return read.error();
    shards = std::move(*read);
    for (const fs::path& path : shards.files) {
      if (!is_there(path))
        return Error{path.string(), "", "a shard that " + index.filename().string() + " names",
                     "no such file"};
    }
    const bool names_single =
        std::find(shards.files.begin(), shards.files.end(), single) != shards.files.end();
    if (is_there(single) && !names_single) {
      return Error{index.string(), "weight_map", "model.safetensors, which is in the folder", "other files"};
    }
  } else if (is_there(single)) {
    shards.files = {single};
  } else {
    auto file = only_file(folder);
    if (!file) return file.error();
    shards.files = {*file};
  }
  return shards;
}

Result<void> check_index(const Shards& shards, const std::map<std::string, Tensor, std::less<>>& tensors) {
  if (shards.index.empty()) return {};
  const std::string index = shards.index.filename().string();
  for (const auto& [name, shard] : shards.file_of) {
    if (tensors.contains(name)) continue;
    return Error{(shards.index.parent_path() / shard).string(), name, "a tensor that " + index + " names",
                 "nothing"};
  }
  for (const auto& [name, tensor] : tensors) {
    const auto listed = shards.file_of.find(name);
    const std::string file = fs::path(tensor.file).filename().string();
    if (listed != shards.file_of.end() && listed->second == file) continue;
    return Error{shards.index.string(), "weight_map." + name, file,
                 listed == shards.file_of.end() ? "nothing" : listed->second};
  }
  return {};
}

}  // namespace assay
