#include "engine/remote/model_extents.h"

#include "base/json.h"

namespace assay {

Result<ModelExtents> read_model_extents(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  const auto json = read_json(path);
  if (!json) return json.error();
  const bool nested = json->is_object() && json->contains("text_config");
  const Json& config = nested ? (*json)["text_config"] : *json;
  ModelExtents extents;
  for (const auto& [key, into] :
       {std::pair{"vocab_size", &extents.vocabulary}, {"max_position_embeddings", &extents.context}}) {
    const auto number = json_get<Index>(config, path.string(), key);
    if (!number) return number.error();
    if (*number < 1) return Error{path.string(), key, "a positive integer", std::to_string(*number)};
    *into = *number;
  }
  return extents;
}

}  // namespace assay
