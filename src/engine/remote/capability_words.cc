#include "engine/remote/capability_words.h"

namespace assay {

Environment capability_words(const Capabilities& capabilities) {
  const auto yes = [](bool is) { return is ? "yes" : "no"; };
  const Index limit = capabilities.most_top_k;
  return {{"generates", yes(capabilities.generates)},
          {"prompt_logprobs", yes(capabilities.prompt_logprobs)},
          {"forced_decode", yes(capabilities.forced_decode)},
          {"top_k_limit", limit == 0 ? "none" : std::to_string(limit)},
          {"ranks", yes(capabilities.ranks)},
          {"ids_of_interest", yes(capabilities.ids_of_interest)},
          {"ids", capabilities.token_ids ? "ids" : "retokenized"}};
}

}  // namespace assay
