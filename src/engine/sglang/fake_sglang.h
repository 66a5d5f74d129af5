// For tests: SGLang's /generate over FakeModel, shaped as SGLang 0.5 shapes it.
#pragma once

#include <string>
#include <vector>

#include "engine/remote/fake_model.h"

namespace assay {

inline Json fake_triple(Index position, TokenId id) {
  return Json::array({FakeModel::logprob(position, id), id, nullptr});
}

inline Json fake_triples(Index position, const std::vector<TokenId>& ids) {
  Json row = Json::array();
  for (const TokenId id : ids) row.push_back(fake_triple(position, id));
  return row;
}

// Generates the most likely id, but no more than `most` of them.
inline Json fake_sglang(const Json& request, Index most = 1000) {
  const auto input = request["input_ids"].get<std::vector<TokenId>>();
  const auto start = request["logprob_start_len"].get<Index>();
  const auto k = request["top_logprobs_num"].get<Index>();
  const bool of_interest = request.contains("token_ids_logprob");
  const auto ids =
      of_interest ? request["token_ids_logprob"].get<std::vector<TokenId>>() : std::vector<TokenId>();
  const auto length = static_cast<Index>(input.size());
  const auto wanted = request["sampling_params"]["max_new_tokens"].get<Index>();
  const Index count = std::min(most, wanted);
  Json meta = {{"id", request["rid"]},
               {"finish_reason", {{"type", count < wanted ? "stop" : "length"}, {"length", count}}},
               {"prompt_tokens", length},
               {"weight_version", "default"},
               {"completion_tokens", count},
               {"cached_tokens", start}};
  const char* sides[] = {"input", "output"};
  for (const std::string side : sides) {
    for (const char* list : {"_token_logprobs", "_top_logprobs"}) meta[side + list] = Json::array();
    if (of_interest) meta[side + "_token_ids_logprobs"] = Json::array();
  }
  Json output_ids = Json::array();
  for (Index position = start; position < length + count; ++position) {
    const bool generated = position >= length;
    const std::string side = sides[generated ? 1 : 0];
    const TokenId own =
        generated ? FakeModel::at_place(position, 0) : input[static_cast<std::size_t>(position)];
    if (generated) output_ids.push_back(own);
    const bool first = position == start && !generated;
    meta[side + "_token_logprobs"].push_back(first ? Json::array({nullptr, own, nullptr})
                                                   : fake_triple(position, own));
    meta[side + "_top_logprobs"].push_back(first ? Json()
                                                 : fake_triples(position, FakeModel::top(position, k)));
    if (of_interest) {
      meta[side + "_token_ids_logprobs"].push_back(first ? Json() : fake_triples(position, ids));
    }
  }
  return {{"text", "..."}, {"output_ids", output_ids}, {"meta_info", meta}};
}

}  // namespace assay
