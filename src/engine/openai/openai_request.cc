#include "engine/openai/openai_request.h"

#include <algorithm>

#include "engine/remote/ask_json.h"
#include "engine/remote/wanted_scores.h"

namespace assay {

Environment words_of(const OpenaiWays& ways) {
  return {{"prompt", ways.prompt_as_ids ? "ids" : "text"},
          {"fields", ways.extended ? "extended" : "openai"},
          {"ids", ways.returns_ids ? "ids" : "retokenized"}};
}

OpenaiWays ways_of(const Probe& probe) {
  return {.prompt_as_ids = lookup(probe.identity, "prompt") == "ids",
          .extended = lookup(probe.identity, "fields") == "extended",
          .returns_ids = lookup(probe.identity, "ids") == "ids"};
}

OpenaiAsked openai_asked(const ScoreRequest& request, const Capabilities& capabilities) {
  return {.prompt = &request.tokens, .top_k = widened_top_k(request, capabilities.most_top_k), .echo = true};
}

OpenaiAsked openai_asked(const GenerateRequest& request, const Capabilities& capabilities) {
  return {.prompt = &request.prompt,
          .max_tokens = request.max_new_tokens,
          .top_k = widened_top_k(request.top_k, capabilities.most_top_k),
          .echo = capabilities.prompt_logprobs && request.prompt.size() > 1,
          .ignore_eos = request.ignore_eos};
}

HttpRequest openai_request(const std::string& model, const OpenaiAsked& asked, const OpenaiWays& ways,
                           const Sampling& sampling, const Tokenizer& tokenizer) {
  const bool greedy = sampling.sampler == Sampler::greedy;
  Json body = {{"model", model},
               {"prompt", ways.prompt_as_ids ? Json(*asked.prompt) : Json(tokenizer.decode(*asked.prompt))},
               {"max_tokens", asked.max_tokens},
               {"temperature", greedy ? 0.0 : sampling.temperature},
               {"top_p", 1.0},
               {"frequency_penalty", 0.0},
               {"presence_penalty", 0.0},
               {"n", 1},
               {"stream", false},
               {"echo", asked.echo},
               {"logprobs", asked.top_k}};
  if (!greedy) body["seed"] = sampling.seed;
  if (ways.extended) {
    body.update(Json{{"top_k", -1},
                     {"min_p", 0.0},
                     {"repetition_penalty", 1.0},
                     {"min_tokens", 0},
                     {"ignore_eos", asked.ignore_eos},
                     {"add_special_tokens", false},
                     {"skip_special_tokens", false},
                     {"spaces_between_special_tokens", false},
                     {"return_token_ids", true},
                     {"return_tokens_as_token_ids", true}});
  }
  return post_json(kCompletionsPath, body);
}

}  // namespace assay
