#include "servers/fields.h"

#include <algorithm>
#include <utility>

namespace assay {

void check_fields(const Json& body, std::initializer_list<std::string_view> known, const Json& neutral) {
  for (const auto& [key, value] : body.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end() || value.is_null()) continue;
    const auto only = neutral.find(key);
    if (only != neutral.end() && *only == value) continue;
    const std::string allowed = only == neutral.end() ? "no such field" : only->dump();
    throw Refusal{400, "body: " + key + ": expected " + allowed + " (of a mock), found " + value.dump()};
  }
}

std::optional<std::vector<TokenId>> find_ids(const Json& body, const char* key) {
  const auto found = body.find(key);
  if (found == body.end() || found->is_null()) return std::nullopt;
  std::vector<TokenId> ids;
  for (const Json& id : *found) {
    if (!id.is_number_integer() || !std::in_range<TokenId>(id.get<std::int64_t>())) {
      throw Refusal{400, std::string("body: ") + key + ": expected token ids, found " + describe(*found)};
    }
    ids.push_back(id.get<TokenId>());
  }
  return ids;
}

Sampling read_sampling(const Json& body, const char* seed_key) {
  const auto temperature = field_or<double>(body, "temperature", 1);
  const auto found = body.find(seed_key);
  const bool is_negative = found != body.end() && found->is_number_integer() && *found < 0;
  // Seeds of 64 bits may come with a sign.
  const auto seed = is_negative ? static_cast<std::uint64_t>(field_or<std::int64_t>(body, seed_key, 0))
                                : field_or<std::uint64_t>(body, seed_key, 0);
  if (temperature == 0) return {};
  if (!(temperature > 0 && temperature <= 2)) throw Refusal{400, "temperature must be in [0, 2]"};
  return {Sampler::exponential_race, std::max(temperature, kLeastTemperature), seed};
}

void check_model(const Json& body, const std::string& served) {
  const auto model = find_field<std::string>(body, "model");
  if (model && *model != served) throw Refusal{404, "The model `" + *model + "` does not exist."};
}

}  // namespace assay
