#include "engine/vllm/requests.h"

#include "engine/remote/ask_json.h"

namespace assay {
namespace {

Json sampling_fields(const Sampling& sampling, Index max_tokens, bool ignore_eos) {
  return {{"n", 1},
          {"max_tokens", max_tokens},
          {"min_tokens", 0},
          {"temperature", sampling.temperature},
          {"top_p", 1},
          {"top_k", -1},
          {"min_p", 0},
          {"seed", static_cast<std::int64_t>(sampling.seed)},
          {"ignore_eos", ignore_eos}};
}

// The header, because releases before the field `request_id` take the id from there.
HttpRequest post(const char* path, const Addressed& to, Json body) {
  body["model"] = to.model;
  body["request_id"] = to.id;
  // Of 128 characters at most, none of them "@", "/" or "\\": vLLM 0.32 refuses others.
  body["cache_salt"] = to.salt + "-" + to.id;
  body["stream"] = false;
  HttpRequest request = post_json(path, body);
  request.headers.emplace_back("x-request-id", to.id);
  return request;
}

}  // namespace

HttpRequest completion_request(const Addressed& to, const CompletionText& text) {
  Json body = sampling_fields(text.sampling, text.max_tokens, text.ignore_eos);
  body["presence_penalty"] = 0;
  body["frequency_penalty"] = 0;
  body["repetition_penalty"] = 1;
  body["prompt"] = text.prompt;
  body["add_special_tokens"] = false;
  body["echo"] = false;
  body["return_token_ids"] = true;
  body["return_tokens_as_token_ids"] = true;
  if (text.prompt_logprobs) body["prompt_logprobs"] = *text.prompt_logprobs;
  if (text.logprobs) body["logprobs"] = *text.logprobs;
  return post(kCompletionsPath, to, std::move(body));
}

HttpRequest trace_request(const Addressed& to, std::span<const TokenId> prompt,
                          std::span<const TokenId> trace, Index top_k) {
  // Left out, max_tokens is 16 and cuts the trace short.
  Json sampling = sampling_fields({}, static_cast<Index>(trace.size()), false);
  sampling["logprobs"] = top_k;
  sampling["detokenize"] = false;
  sampling["trace_decode_token_ids"] = trace;
  return post(kTokensPath, to, {{"token_ids", prompt}, {"sampling_params", std::move(sampling)}});
}

HttpRequest ids_request(const Addressed& to, std::span<const TokenId> prompt, Index top_k,
                        const IdRows& rows) {
  Json sampling = sampling_fields({}, 1, false);
  sampling["prompt_logprobs"] = top_k;
  sampling["detokenize"] = false;
  sampling["prompt_logprob_token_ids"] = rows.ids;
  sampling["prompt_logprob_start"] = rows.first - 1;  // row i is about token start + i + 1
  return post(kTokensPath, to,
              {{"token_ids", prompt}, {"return_token_ids", true}, {"sampling_params", std::move(sampling)}});
}

}  // namespace assay
