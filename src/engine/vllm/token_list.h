// What vLLM says about one position: some ids with their log-probabilities, in an order of its own.
#pragma once

#include <vector>

#include "base/error.h"
#include "engine/vllm/reply_json.h"

namespace assay {

// How many ids a list holds when k were asked for. `k_or_one_more`: k, and the position's own token as well where it
// is not among them (/v1/completions). `k_at_most`: k, the last of them making room for such a token, or one more
// (/inference/v1/generate; releases differ).
enum class ListForm : std::uint8_t { k_or_one_more, k_at_most };

struct ListRules {
  Index top_k = 0;  // that was asked for
  ListForm form = ListForm::k_or_one_more;
  bool own_ranks = true;  // the server ranks tokens outside the top k; false: such a rank is dropped
};

// Most likely first, ties in order of rank, unknown ranks behind known ones.
void sort_by_rank(std::vector<TokenScore>& list);

// Puts `list` in order of rank, with what is minus infinity left out, and fills in ranks that the list's order tells.
// Error: a number of ids that was not asked for, an id twice, `own` not among them, a value above 0, ranks against
// the order of the values, probabilities that sum to more than 1.
Result<void> settle_list(std::vector<TokenScore>& list, TokenId own, const ListRules& rules,
                         const ReplyPlace& place);

}  // namespace assay
