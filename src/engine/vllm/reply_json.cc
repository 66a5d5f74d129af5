#include "engine/vllm/reply_json.h"

#include <algorithm>
#include <limits>

namespace assay {

Error reply_error(const ReplyPlace& place, std::string_view expected, std::string_view found) {
  return {"", place.text(), std::string(expected), std::string(found)};
}

Error reply_error(const ReplyPlace& place, std::string_view expected, simdjson::error_code found) {
  return reply_error(place, expected, simdjson::error_message(found));
}

Result<std::string> read_text_or_null(simdjson::ondemand::value value, const ReplyPlace& place) {
  bool null = false;
  if (auto error = value.is_null().get(null)) return reply_error(place, "a string or null", error);
  if (null) return std::string();
  std::string_view text;
  if (auto error = value.get_string().get(text)) return reply_error(place, "a string or null", error);
  return std::string(text);
}

Result<std::vector<TokenId>> read_token_ids(simdjson::ondemand::value value, const char* list) {
  std::vector<TokenId> ids;
  const auto read = for_each_element(value, {list}, [&](Index at, simdjson::ondemand::value element) {
    std::int64_t id = 0;
    if (auto error = element.get_int64().get(id))
      return Result<void>(reply_error({list, at}, "a token id", error));
    if (id < 0 || id > std::numeric_limits<TokenId>::max()) {
      return Result<void>(reply_error({list, at}, "a token id", std::to_string(id)));
    }
    ids.push_back(static_cast<TokenId>(id));
    return Result<void>();
  });
  if (!read) return read.error();
  return ids;
}

Result<void> read_one_choice(const HttpReply& reply,
                             std::initializer_list<std::pair<const char*, std::string*>> texts,
                             const std::function<Result<void>(simdjson::ondemand::value)>& read_choice,
                             const ReadField& read_other) {
  Index choices = 0;
  const auto read_field = [&](simdjson::ondemand::raw_json_string key,
                              simdjson::ondemand::value field) -> Result<void> {
    for (const auto& [name, into] : texts) {
      if (!(key == name)) continue;
      auto text = read_text_or_null(field, {name});
      if (!text) return text.error();
      *into = *std::move(text);
      return {};
    }
    if (!(key == "choices")) return read_other(key, field);
    return for_each_element(field, {"choices"}, [&](Index, simdjson::ondemand::value element) {
      return choices++ == 0 ? read_choice(element)
                            : Result<void>(reply_error({"choices"}, "one choice", "more"));
    });
  };
  const auto read = read_reply(
      reply, [&](simdjson::ondemand::object object) { return for_each_field(object, {"body"}, read_field); });
  if (read && choices == 0) return reply_error({"choices"}, "one choice", "none");
  return read;
}

std::optional<TokenId> token_id_of(simdjson::ondemand::raw_json_string text, std::string_view prefix) {
  const char* at = text.raw();  // ends at a quotation mark, which no loop here passes
  for (const char wanted : prefix) {
    if (*at++ != wanted) return std::nullopt;
  }
  const char* const first = at;
  std::int64_t id = 0;
  for (; *at >= '0' && *at <= '9'; ++at) {
    id = id * 10 + (*at - '0');
    if (id > std::numeric_limits<TokenId>::max()) return std::nullopt;
  }
  if (at == first || *at != '"') return std::nullopt;
  return static_cast<TokenId>(id);
}

Result<void> check_echo(const std::vector<TokenId>& echoed, std::span<const TokenId> sent, const char* list) {
  if (echoed.size() != sent.size()) {
    return reply_error({list}, fmt::format("the {} ids that were sent", sent.size()),
                       fmt::format("{} ids", echoed.size()));
  }
  const auto differ = std::mismatch(sent.begin(), sent.end(), echoed.begin());
  if (differ.first == sent.end()) return {};
  return reply_error({list, differ.first - sent.begin()}, fmt::format("id {}, as sent", *differ.first),
                     std::to_string(*differ.second));
}

}  // namespace assay
