#include "engine/sglang/sglang_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace assay {
namespace {

Result<void> check_count(const char* key, Index expected, Index found) {
  if (expected == found) return {};
  return Error{"", key, fmt::format("{} entries", expected), std::to_string(found)};
}

Result<void> check_told_count(const char* key, Index expected, std::optional<Index> found) {
  if (!found || *found == expected) return {};
  return Error{"", key, std::to_string(expected), std::to_string(*found)};
}

Result<void> check_input(const SglangSide& input, const SglangAsked& asked) {
  const auto& sent = *asked.input;
  const Index count = static_cast<Index>(sent.size()) - asked.start;
  const auto found = static_cast<Index>(input.tokens.size());
  if (auto counted = check_count("input_token_logprobs", count, found); !counted) return counted;
  if (auto counted = check_count("input_top_logprobs", count, input.top.size()); !counted) return counted;
  const Index rows = asked.of_interest.empty() ? input.of_interest.size() : count;
  if (auto counted = check_count("input_token_ids_logprobs", rows, input.of_interest.size()); !counted)
    return counted;
  for (Index i = 0; i < count; ++i) {
    const TokenId expected = sent[static_cast<std::size_t>(asked.start + i)];
    const TokenId echoed = input.tokens[static_cast<std::size_t>(i)].id;
    if (echoed == expected) continue;
    return Error{"", fmt::format("input_token_logprobs, position {}", asked.start + i),
                 fmt::format("the id {} that was sent", expected), std::to_string(echoed)};
  }
  return {};
}

Result<void> check_output(const SglangReply& reply, const SglangAsked& asked) {
  const auto count = static_cast<Index>(reply.output.tokens.size());
  if (count < 1 || count > asked.max_new_tokens) {
    return Error{"", "output_token_logprobs", fmt::format("1 to {} entries", asked.max_new_tokens),
                 std::to_string(count)};
  }
  if ((asked.ignore_eos || reply.finish != "stop") && count != asked.max_new_tokens) {
    return Error{"", "output_token_logprobs",
                 fmt::format("{} entries, for finish_reason is {}", asked.max_new_tokens,
                             reply.finish.empty() ? "null" : reply.finish),
                 std::to_string(count)};
  }
  if (auto counted = check_count("output_top_logprobs", count, reply.output.top.size()); !counted)
    return counted;
  if (auto told = check_told_count("completion_tokens", count, reply.completion_tokens); !told) return told;
  if (!reply.output_ids) return {};
  const auto& ids = *reply.output_ids;
  if (std::equal(ids.begin(), ids.end(), reply.output.tokens.begin(), reply.output.tokens.end(),
                 [](TokenId id, const ToldScore& score) { return id == score.id; })) {
    return {};
  }
  return Error{"", "output_ids", "the ids of output_token_logprobs", "others"};
}

}  // namespace

void restore_last_id(SglangSide& input, const SglangAsked& asked, Index vocabulary) {
  const auto start = static_cast<std::size_t>(asked.start);
  const std::size_t count = std::min(input.tokens.size(), asked.input->size() - start);
  for (std::size_t i = 0; i < count; ++i) {
    const TokenId sent = (*asked.input)[start + i];
    if (input.tokens[i].id == 0 && Index{sent} == vocabulary - 1) input.tokens[i].id = sent;
  }
}

Result<void> check_sglang_reply(const SglangReply& reply, const SglangAsked& asked, const std::string& id) {
  if (reply.id != id) return Error{"", "meta_info.id", id, reply.id.empty() ? "nothing" : reply.id};
  if (reply.finish == "abort") {
    return Error{"", "finish_reason", "length or stop", "abort: " + reply.finish_message.substr(0, 200)};
  }
  const auto sent = static_cast<Index>(asked.input->size());
  if (auto told = check_told_count("prompt_tokens", sent, reply.prompt_tokens); !told) return told;
  if (auto checked = check_input(reply.input, asked); !checked) return checked;
  return check_output(reply, asked);
}

Result<PositionScores> sglang_position(const SglangSide& side, const SglangAsked& asked, Index at,
                                       Index position) {
  const auto top = side.top.row(at);
  if (static_cast<Index>(top.size()) < asked.top_k) {
    return Error{"", fmt::format("position {}", position), fmt::format("{} alternatives", asked.top_k),
                 std::to_string(top.size())};
  }
  ToldPosition told{.position = position,
                    .own = side.tokens[static_cast<std::size_t>(at)],
                    .top = {top.begin(), top.end()},
                    .ranked = static_cast<Index>(top.size())};
  if (!asked.of_interest.empty() && side.of_interest.size() > at) {
    told.others = side.of_interest.row(at);
    if (!std::equal(told.others.begin(), told.others.end(), asked.of_interest.begin(),
                    asked.of_interest.end(),
                    [](const ToldScore& score, TokenId id) { return score.id == id; })) {
      return Error{"", fmt::format("position {}", position), "the scores of the ids of interest",
                   "of others"};
    }
  }
  return put_in_order(std::move(told));
}

}  // namespace assay
