#include "engine/vllm/ids_reply.h"

#include <cmath>

#include "base/base64.h"
#include "engine/vllm/npy_table.h"
#include "record/check.h"

namespace assay {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr const char* kTable = "prompt_token_id_logprobs";

struct Fields {
  std::optional<std::vector<PositionScores>> prompt;
  std::optional<std::vector<TokenId>> prompt_ids;
  std::string table;
};

Result<void> read_field(ondemand::raw_json_string key, ondemand::value value, const IdsAsked& asked,
                        Fields& fields) {
  if (key == "prompt_logprobs") {
    auto prompt = read_prompt_logprobs(value, asked.prompt);
    if (!prompt) return prompt.error();
    fields.prompt = *std::move(prompt);
  } else if (key == "prompt_token_ids") {
    auto ids = read_token_ids(value, "prompt_token_ids");
    if (!ids) return ids.error();
    fields.prompt_ids = *std::move(ids);
  }
  return {};
}

Result<void> check_choice(ondemand::value value) {
  const ReplyPlace place{"choices[0]"};
  ondemand::object object;
  if (auto error = value.get_object().get(object)) return reply_error(place, "an object", error);
  std::string reason;
  const auto read = for_each_field(object, place,
                                   [&](ondemand::raw_json_string key, ondemand::value field) -> Result<void> {
                                     if (!(key == "finish_reason")) return {};
                                     auto text = read_text_or_null(field, {"choices[0].finish_reason"});
                                     if (!text) return text.error();
                                     reason = *std::move(text);
                                     return {};
                                   });
  if (!read || reason == "length" || reason == "stop") return read;
  return reply_error({"choices[0].finish_reason"}, "length or stop", reason.empty() ? "none" : reason);
}

Result<NpyTable> read_table(const std::string& text, const IdRows& rows) {
  if (text.empty()) return reply_error({kTable}, "the scores of the ids", "none");
  const auto bytes = from_base64(text);
  if (!bytes) return reply_error({kTable}, bytes.error().expected, bytes.error().found);
  auto table = read_npy(*bytes);
  if (!table) return reply_error({kTable}, table.error().message(), "another");
  if (table->rows == std::ssize(rows.ids) && table->columns == rows.width()) return table;
  return reply_error({kTable}, fmt::format("{} x {} values", std::ssize(rows.ids), rows.width()),
                     fmt::format("{} x {}", table->rows, table->columns));
}

Result<void> check_values(const NpyTable& table, const IdRows& rows) {
  for (Index row = 0; row < table.rows; ++row) {
    const auto values = table.row(row);
    const std::size_t ids = rows.ids[static_cast<std::size_t>(row)].size();
    for (std::size_t column = 0; column < values.size(); ++column) {
      const float value = values[column];
      if (!(value <= 0))
        return reply_error({kTable, row}, "log-probabilities <= 0", fmt::format("{}", value));
      if (column < ids || std::isinf(value)) continue;
      return reply_error({kTable, row}, fmt::format("{} values", ids), fmt::format("{} behind them", value));
    }
  }
  return {};
}

// `values` has one for each of `ids`, or more.
Result<void> merge(PositionScores& position, std::span<const TokenId> ids, std::span<const float> values,
                   const IdsAsked& asked) {
  const ReplyPlace place{kTable, position.position - asked.rows.first};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const TokenScore* known = find_score(position.scores, ids[i]);
    if (known == nullptr) {
      if (!std::isinf(values[i])) position.scores.push_back({ids[i], values[i], 0});
    } else if (!(std::abs(known->logprob - values[i]) <= asked.most_apart)) {
      return reply_error(place, fmt::format("{} for id {}, as in prompt_logprobs", known->logprob, ids[i]),
                         fmt::format("{}", values[i]));
    }
  }
  sort_by_rank(position.scores);
  double sum = 0;
  for (const TokenScore& score : position.scores) sum += std::exp(static_cast<double>(score.logprob));
  if (sum <= kMostSoftmaxSum) return {};
  return reply_error(place, "probabilities that sum to 1 at most", fmt::format("{:.6g}", sum));
}

}  // namespace

Result<IdsReply> read_ids_reply(const HttpReply& http, const IdsAsked& asked) {
  IdsReply reply;
  Fields fields;
  const auto read =
      read_one_choice(http, {{"request_id", &reply.id}, {"model", &reply.model}, {kTable, &fields.table}},
                      check_choice, [&](ondemand::raw_json_string key, ondemand::value value) {
                        return read_field(key, value, asked, fields);
                      });
  if (!read) return read.error();
  if (!fields.prompt_ids) {
    return reply_error({"prompt_token_ids"}, "the ids that were sent (return_token_ids)", "none");
  }
  if (auto same = check_echo(*fields.prompt_ids, asked.prompt.tokens, "prompt_token_ids"); !same)
    return same.error();
  if (!fields.prompt) return reply_error({"prompt_logprobs"}, "an array", "nothing");
  const auto table = read_table(fields.table, asked.rows);
  if (!table) return table.error();
  if (auto checked = check_values(*table, asked.rows); !checked) return checked.error();
  for (PositionScores& position : *fields.prompt) {
    const auto ids = asked.rows.at(position.position);
    if (ids.empty()) continue;
    const auto values = table->row(position.position - asked.rows.first);
    if (auto merged = merge(position, ids, values, asked); !merged) return merged.error();
  }
  reply.prompt = *std::move(fields.prompt);
  return reply;
}

}  // namespace assay
