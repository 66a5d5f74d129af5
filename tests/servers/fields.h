// The fields of a request's body. A field that a mock does not know is refused: what it would change is not computed
// here.
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "record/record.h"
#include "servers/exchange.h"

namespace assay {

// Each throws Refusal.

// `body` has no key but `known`, and those of `neutral` only with the value named there (or null).
void check_fields(const Json& body, std::initializer_list<std::string_view> known, const Json& neutral);

// Null counts as absent.
template <class T>
std::optional<T> find_field(const Json& body, const char* key) {
  const auto found = body.find(key);
  if (found == body.end() || found->is_null()) return std::nullopt;
  auto value = json_get<T>(body, "body", key);
  if (!value) throw Refusal{400, value.error().message()};
  return *std::move(value);
}

template <class T>
T field_or(const Json& body, const char* key, T fallback) {
  return find_field<T>(body, key).value_or(fallback);
}

std::optional<std::vector<TokenId>> find_ids(const Json& body, const char* key);

// From temperature and body[seed_key]: greedy at 0, else vLLM's race.
Sampling read_sampling(const Json& body, const char* seed_key = "seed");

// body["model"], where it is given, is `served`.
void check_model(const Json& body, const std::string& served);

}  // namespace assay
