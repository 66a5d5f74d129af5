#include "engine/vllm/completion_reply.h"

#include "engine/vllm/generated_logprobs.h"

namespace assay {
namespace {

namespace ondemand = simdjson::ondemand;

struct Choice {
  std::optional<std::vector<PositionScores>> prompt;
  std::optional<std::vector<TokenId>> prompt_ids;
  std::optional<std::vector<TokenId>> token_ids;
  std::optional<GeneratedLists> logprobs;
  std::string finish_reason;
};

template <class T>
Result<void> keep(Result<T> read, std::optional<T>& into) {
  if (!read) return read.error();
  into = *std::move(read);
  return {};
}

Result<void> read_choice(ondemand::value value, const CompletionAsked& asked, Choice& choice) {
  const ReplyPlace place{"choices[0]"};
  ondemand::object object;
  if (auto error = value.get_object().get(object)) return reply_error(place, "an object", error);
  return for_each_field(
      object, place, [&](ondemand::raw_json_string key, ondemand::value field) -> Result<void> {
        if (key == "prompt_logprobs" && asked.prompt_logprobs) {
          return keep(read_prompt_logprobs(field, asked.prompt), choice.prompt);
        }
        if (key == "prompt_token_ids") {
          return keep(read_token_ids(field, "choices[0].prompt_token_ids"), choice.prompt_ids);
        }
        if (key == "token_ids") return keep(read_token_ids(field, "choices[0].token_ids"), choice.token_ids);
        if (key == "logprobs" && asked.logprobs) return keep(read_generated_lists(field), choice.logprobs);
        if (key == "finish_reason") {
          auto reason = read_text_or_null(field, {"choices[0].finish_reason"});
          if (!reason) return reason.error();
          choice.finish_reason = *std::move(reason);
        }
        return {};
      });
}

Result<void> check_finish(const Choice& choice, const CompletionAsked& asked) {
  const auto count = static_cast<Index>(choice.token_ids->size());
  const ReplyPlace place{"choices[0].finish_reason"};
  if (choice.finish_reason == "length") {
    if (count == asked.most_tokens) return {};
    return reply_error({"choices[0].token_ids"},
                       fmt::format("{} ids (finish_reason length)", asked.most_tokens),
                       std::to_string(count));
  }
  if (choice.finish_reason != "stop") {
    return reply_error(place, "length or stop", choice.finish_reason.empty() ? "none" : choice.finish_reason);
  }
  if (asked.ignore_eos) return reply_error(place, "length (ignore_eos)", "stop");
  if (count >= 1 && count <= asked.most_tokens) return {};
  return reply_error({"choices[0].token_ids"}, fmt::format("1 to {} ids", asked.most_tokens),
                     std::to_string(count));
}

Result<CompletionReply> put_together(Choice choice, const CompletionAsked& asked, CompletionReply reply) {
  if (!choice.prompt_ids) {
    return reply_error({"choices[0].prompt_token_ids"}, "the ids that were sent (return_token_ids)", "none");
  }
  if (auto same = check_echo(*choice.prompt_ids, asked.prompt.tokens, "choices[0].prompt_token_ids"); !same) {
    return same.error();
  }
  if (!choice.token_ids)
    return reply_error({"choices[0].token_ids"}, "the generated ids (return_token_ids)", "none");
  if (auto checked = check_finish(choice, asked); !checked) return checked.error();
  if (asked.prompt_logprobs) {
    if (!choice.prompt) return reply_error({"choices[0].prompt_logprobs"}, "an array", "nothing");
    reply.prompt = *std::move(choice.prompt);
  }
  if (asked.logprobs) {
    if (!choice.logprobs) return reply_error({"choices[0].logprobs"}, "an object", "nothing");
    auto generated = settle_generated(*std::move(choice.logprobs), *choice.token_ids,
                                      static_cast<Index>(asked.prompt.tokens.size()), asked.generated);
    if (!generated) return generated.error();
    reply.generated = *std::move(generated);
  }
  reply.generated_ids = *std::move(choice.token_ids);
  return reply;
}

}  // namespace

Result<CompletionReply> read_completion(const HttpReply& http, const CompletionAsked& asked) {
  CompletionReply reply;
  Choice choice;
  const auto read = read_one_choice(
      http, {{"id", &reply.id}, {"model", &reply.model}, {"system_fingerprint", &reply.fingerprint}},
      [&](ondemand::value value) { return read_choice(value, asked, choice); });
  if (!read) return read.error();
  return put_together(std::move(choice), asked, std::move(reply));
}

}  // namespace assay
