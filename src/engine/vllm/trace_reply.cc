#include "engine/vllm/trace_reply.h"

#include <algorithm>

#include "engine/vllm/score_fields.h"

namespace assay {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr const char* kContent = "choices[0].logprobs.content";

struct Step {
  TokenScore own;
  std::vector<TokenScore> top;
};

struct Choice {
  std::optional<std::vector<TokenId>> token_ids;
  std::vector<Step> steps;
};

Result<void> read_top(ondemand::value value, const ReplyPlace& place, std::vector<TokenScore>& top) {
  return for_each_element(value, place, [&](Index, ondemand::value element) -> Result<void> {
    ondemand::object object;
    if (auto error = element.get_object().get(object)) return reply_error(place, "objects", error);
    ScoreFields fields;
    const auto read = for_each_field(
        object, place,
        [&](ondemand::raw_json_string key, ondemand::value field) { return fields.take(key, field, place); });
    if (!read) return read;
    auto score = fields.score(place);
    if (!score) return score.error();
    top.push_back(*score);
    return {};
  });
}

Result<void> read_step(ondemand::value value, const ReplyPlace& place, Step& step) {
  ondemand::object object;
  if (auto error = value.get_object().get(object)) return reply_error(place, "an object", error);
  ScoreFields fields;
  const auto read = for_each_field(object, place,
                                   [&](ondemand::raw_json_string key, ondemand::value field) -> Result<void> {
                                     if (key == "top_logprobs") return read_top(field, place, step.top);
                                     return fields.take(key, field, place);
                                   });
  if (!read) return read;
  auto own = fields.score(place);
  if (!own) return own.error();
  step.own = *own;
  return {};
}

Result<void> read_content(ondemand::value value, std::vector<Step>& steps) {
  const ReplyPlace place{"choices[0].logprobs"};
  ondemand::object object;
  if (auto error = value.get_object().get(object)) return reply_error(place, "an object", error);
  return for_each_field(object, place,
                        [&](ondemand::raw_json_string key, ondemand::value field) -> Result<void> {
                          if (!(key == "content")) return {};
                          return for_each_element(field, {kContent}, [&](Index at, ondemand::value element) {
                            return read_step(element, {kContent, at}, steps.emplace_back());
                          });
                        });
}

Result<void> read_choice(ondemand::value value, Choice& choice) {
  const ReplyPlace place{"choices[0]"};
  ondemand::object object;
  if (auto error = value.get_object().get(object)) return reply_error(place, "an object", error);
  return for_each_field(object, place,
                        [&](ondemand::raw_json_string key, ondemand::value field) -> Result<void> {
                          if (key == "logprobs") return read_content(field, choice.steps);
                          if (!(key == "token_ids")) return {};
                          auto ids = read_token_ids(field, "choices[0].token_ids");
                          if (!ids) return ids.error();
                          choice.token_ids = *std::move(ids);
                          return {};
                        });
}

Result<PositionScores> settle_step(Step step, Index i, const TraceAsked& asked) {
  const ReplyPlace place{kContent, i};
  const TokenId own = asked.trace[static_cast<std::size_t>(i)];
  if (step.own.id != own) {
    return reply_error(place, fmt::format("token {} of the trace", own), std::to_string(step.own.id));
  }
  const bool lost = step.top.size() > 1 && std::all_of(step.top.begin(), step.top.end(),
                                                       [own](const TokenScore& s) { return s.id == own; });
  if (lost) return reply_error(place, "the ids of the alternatives", "the trace token's id in each");
  if (auto settled = settle_list(step.top, own, asked.rules, place); !settled) return settled.error();
  const TokenScore* score = find_score(step.top, own);
  if (score == nullptr) {
    return reply_error(place, fmt::format("a log-probability of the trace token {}", own),
                       "no probability (-9999)");
  }
  if (score->logprob != step.own.logprob) {
    return reply_error(place, fmt::format("{}, as in top_logprobs", score->logprob),
                       fmt::format("{}", step.own.logprob));
  }
  return PositionScores{asked.first + i, std::move(step.top)};
}

Result<TraceReply> put_together(Choice choice, const TraceAsked& asked, TraceReply reply) {
  if (!choice.token_ids) return reply_error({"choices[0].token_ids"}, "the ids of the trace", "none");
  if (auto same = check_echo(*choice.token_ids, asked.trace, "choices[0].token_ids"); !same)
    return same.error();
  if (choice.steps.size() != asked.trace.size()) {
    return reply_error({kContent}, fmt::format("{} elements", asked.trace.size()),
                       std::to_string(choice.steps.size()));
  }
  for (Index i = 0; i < static_cast<Index>(choice.steps.size()); ++i) {
    auto position = settle_step(std::move(choice.steps[static_cast<std::size_t>(i)]), i, asked);
    if (!position) return position.error();
    reply.positions.push_back(*std::move(position));
  }
  return reply;
}

}  // namespace

Result<TraceReply> read_trace(const HttpReply& http, const TraceAsked& asked) {
  TraceReply reply;
  Choice choice;
  const auto read =
      read_one_choice(http, {{"request_id", &reply.id}, {"system_fingerprint", &reply.fingerprint}},
                      [&](ondemand::value value) { return read_choice(value, choice); });
  if (!read) return read.error();
  return put_together(std::move(choice), asked, std::move(reply));
}

}  // namespace assay
