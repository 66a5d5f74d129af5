// A reply of /inference/v1/generate to a prompt whose ids of interest are scored.
#pragma once

#include <string>
#include <vector>

#include "engine/vllm/id_rows.h"
#include "engine/vllm/prompt_logprobs.h"

namespace assay {

// vLLM computes the two lists of scores in products of different sizes, which may round differently.
inline constexpr float kMostApart = 1;

struct IdsAsked {
  PromptLists prompt;
  const IdRows& rows;
  // Where an id is in prompt_logprobs and in its row: 0 where the server owes its bits again.
  float most_apart = kMostApart;
};

struct IdsReply {
  std::string id;
  std::string model;                   // "" = not told
  std::vector<PositionScores> prompt;  // the wanted positions
};

// {"prompt_logprobs": [...], "prompt_token_id_logprobs": "base64 of a .npy", "prompt_token_ids": [...], ...}: row i of
// the table is about the position rows.first + i, with minus infinity behind the row's ids. An id that is in both has
// the value of prompt_logprobs, to which its rank belongs; of others the rank is not known (0), and those without
// probability are left out. Error: what read_prompt_logprobs, from_base64 and read_npy refuse, other prompt ids
// than those sent, a table of another shape than `rows`, one of its values above 0 or NaN, one where no id is, an
// id whose values are further apart, probabilities that sum to more than 1.
Result<IdsReply> read_ids_reply(const HttpReply& reply, const IdsAsked& asked);

}  // namespace assay
