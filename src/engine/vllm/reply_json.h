// Reading a reply's JSON in place with simdjson's on-demand reader: one pass, fields in whatever order they come.
// What is not asked for is skipped unread; what is read is as JSON has it: a NaN, an Infinity, a text in place of a
// number are Errors.
#pragma once

#include <fmt/format.h>
#include <simdjson.h>

#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/remote/reply_object.h"
#include "record/record.h"

namespace assay {

// Where in a reply: "choices[0].prompt_logprobs[17]". Costs nothing until it is asked for its text.
struct ReplyPlace {
  const char* list = "";
  Index at = -1;  // -1: the list itself
  std::string text() const { return at < 0 ? std::string(list) : fmt::format("{}[{}]", list, at); }
};

Error reply_error(const ReplyPlace& place, std::string_view expected, std::string_view found);
Error reply_error(const ReplyPlace& place, std::string_view expected, simdjson::error_code found);

// take(key, value) for each field, in the reply's order; the key is as the text has it, escapes and all.
template <class Take>
Result<void> for_each_field(simdjson::ondemand::object object, const ReplyPlace& place, const Take& take) {
  for (auto field : object) {
    simdjson::ondemand::raw_json_string key;
    if (auto error = field.key().get(key)) return reply_error(place, "an object", error);
    simdjson::ondemand::value value;
    if (auto error = field.value().get(value)) return reply_error(place, "an object", error);
    if (auto taken = take(key, value); !taken) return taken;
  }
  return {};
}

// take(index, element) for each element.
template <class Take>
Result<void> for_each_element(simdjson::ondemand::value list, const ReplyPlace& place, const Take& take) {
  simdjson::ondemand::array array;
  if (auto error = list.get_array().get(array)) return reply_error(place, "an array", error);
  Index index = 0;
  for (auto element : array) {
    simdjson::ondemand::value value;
    if (auto error = element.get(value)) return reply_error(place, "an array", error);
    if (auto taken = take(index, value); !taken) return taken;
    ++index;
  }
  return {};
}

Result<std::string> read_text_or_null(simdjson::ondemand::value value,
                                      const ReplyPlace& place);  // "" for null
Result<std::vector<TokenId>> read_token_ids(simdjson::ondemand::value value, const char* list);

using ReadField = std::function<Result<void>(simdjson::ondemand::raw_json_string, simdjson::ondemand::value)>;

// A reply of one choice, which `read_choice` reads, and the texts of other fields ("" for null); what is left goes to
// `read_other`. Error: none, or more.
Result<void> read_one_choice(
    const HttpReply& reply, std::initializer_list<std::pair<const char*, std::string*>> texts,
    const std::function<Result<void>(simdjson::ondemand::value)>& read_choice,
    const ReadField& read_other = [](auto, auto) { return Result<void>(); });

// The id in "872" or, with a prefix, "token_id:872"; none where the string is anything else.
std::optional<TokenId> token_id_of(simdjson::ondemand::raw_json_string text, std::string_view prefix);

// Error: ids that differ from those sent; names the first.
Result<void> check_echo(const std::vector<TokenId>& echoed, std::span<const TokenId> sent, const char* list);

}  // namespace assay
