// For tests: a model of 64 ids, with others far behind them, whose probabilities at a position depend on the position
// alone.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "base/index.h"
#include "base/json.h"
#include "http/client.h"
#include "record/record.h"

namespace assay {

struct FakeModel {
  static constexpr Index kVocabulary = 64;

  // 0: the most likely id at the position.
  static Index place(Index position, TokenId id) {
    return id < kVocabulary ? (id + 3 * position) % kVocabulary : Index{id};
  }
  static TokenId at_place(Index position, Index at) {
    return static_cast<TokenId>((at + (kVocabulary - 3) * position) % kVocabulary);
  }
  // Their probabilities sum to less than 1.
  static float logprob(Index position, TokenId id) {
    return -0.7F * static_cast<float>(place(position, id) + 1);
  }
  static std::vector<TokenId> top(Index position, Index k) {
    std::vector<TokenId> ids;
    for (Index at = 0; at < std::min(k, kVocabulary); ++at) ids.push_back(at_place(position, at));
    return ids;
  }
};

inline HttpReply reply_of(std::string body, int status = 200) {
  HttpReply reply{.transport = Transport::ok, .status = status, .body = std::move(body)};
  reply.body.reserve(reply.body.size() + kBodyPadding);
  return reply;
}
inline HttpReply reply_of(const Json& body, int status = 200) { return reply_of(body.dump(), status); }

}  // namespace assay
