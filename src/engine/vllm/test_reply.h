// Replies as vLLM writes them, for tests.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "http/client.h"
#include "record/record.h"

namespace assay {

inline HttpReply reply_with(std::string body, int status = 200) {
  HttpReply reply{.transport = Transport::ok, .status = status, .body = std::move(body)};
  reply.body.reserve(reply.body.size() + kBodyPadding);
  return reply;
}

// Of prompt 11, 22, 33 for the top 2, with 318 generated behind it: token 22 is of rank 2, token 33 of rank 41.
struct CompletionParts {
  std::string id = "cmpl-run/0/1";
  std::string finish = "\"length\"";
  std::string prompt_ids = "[11,22,33]";
  std::string token_ids = "[318]";
  std::string second = R"({"22":{"logprob":-0.75,"rank":2,"decoded_token":" a"},)"
                       R"("198":{"logprob":-0.6875,"rank":1,"decoded_token":"\n"}})";
  std::string third = R"({"33":{"logprob":-9.5,"rank":41,"decoded_token":"\"}{"},)"
                      R"("5":{"logprob":-0.25,"rank":1,"decoded_token":"b"},)"
                      R"("6":{"logprob":-1.75,"rank":2,"decoded_token":null}})";
  std::string logprobs = R"({"text_offset":[0],"token_logprobs":[-0.125],"tokens":["token_id:318"],)"
                         R"("top_logprobs":[{"token_id:318":-0.125,"token_id:11":-2.5}]})";
};

inline std::string completion_text(const CompletionParts& parts = {}) {
  return fmt::format(
      R"({{"id":"{}","object":"text_completion","created":1,"model":"m","choices":[{{"index":0,"text":"x",)"
      R"("logprobs":{},"finish_reason":{},"stop_reason":null,"token_ids":{},"prompt_logprobs":[null,{},{}],)"
      R"("prompt_token_ids":{}}}],"service_tier":null,"system_fingerprint":"vllm-0.11.0-tp1-1234abcd",)"
      R"("usage":{{"prompt_tokens":3,"total_tokens":4,"completion_tokens":1}}}})",
      parts.id, parts.logprobs, parts.finish, parts.token_ids, parts.second, parts.third, parts.prompt_ids);
}

// Of trace 15, 16 for the top 2: token 15 is of rank 3, so that the second alternative has made room for it; token 16
// is the first.
struct TraceParts {
  std::string id = "generate-tokens-run/0/1";
  std::string token_ids = "[15,16]";
  std::string first = R"({"token_id":15,"logprob":-2.5,"rank":3,"top_logprobs":[)"
                      R"({"token_id":15,"logprob":-2.5,"rank":3},{"token_id":9,"logprob":-0.25,"rank":1}]})";
  std::string second = R"({"token_id":16,"logprob":-0.5,"rank":1,"top_logprobs":[)"
                       R"({"token_id":16,"logprob":-0.5,"rank":1},{"token_id":7,"logprob":-1.5,"rank":2}]})";
};

inline std::string trace_text(const TraceParts& parts = {}) {
  return fmt::format(
      R"({{"request_id":"{}","model":"m","created":1,"usage":null,"prompt_logprobs":null,"choices":[{{"index":0,)"
      R"("finish_reason":"length","token_ids":{},"logprobs":{{"content":[{},{}]}}}}],"output_mode":"tokens"}})",
      parts.id, parts.token_ids, parts.first, parts.second);
}

}  // namespace assay
