#include "engine/remote/reply_object.h"

#include <limits>

#include "record/vllm_logprobs.h"

namespace assay {

Result<void> read_reply(const HttpReply& reply,
                        const std::function<Result<void>(simdjson::ondemand::object)>& read) {
  static_assert(kBodyPadding >= simdjson::SIMDJSON_PADDING);
  const std::string& body = reply.body;
  require(body.capacity() >= body.size() + simdjson::SIMDJSON_PADDING, "a reply's body is padded");
  thread_local simdjson::ondemand::parser parser;  // its buffers are as large as the largest reply
  const auto wrong = [](const char* expected, const char* found) {
    return Error{"", "body", expected, found};
  };
  simdjson::ondemand::document document;
  const auto padded = simdjson::padded_string_view(body.data(), body.size(), body.capacity());
  if (auto error = parser.iterate(padded).get(document))
    return wrong("a JSON object", simdjson::error_message(error));
  simdjson::ondemand::object object;
  if (auto error = document.get_object().get(object))
    return wrong("a JSON object", simdjson::error_message(error));
  if (auto done = read(object); !done) return done;
  const char* rest = nullptr;
  if (document.current_location().get(rest) != simdjson::OUT_OF_BOUNDS) {
    return wrong("one JSON object", "more behind it");
  }
  return {};
}

float narrowed(double logprob) {
  return logprob <= kNoProbability ? -std::numeric_limits<float>::infinity() : static_cast<float>(logprob);
}

}  // namespace assay
