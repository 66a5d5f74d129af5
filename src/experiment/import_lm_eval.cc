#include "experiment/import_lm_eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace assay {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

struct Pair {
  std::vector<TokenId> context;
  TokenId continuation = 0;
};

// lm-eval encodes context and continuation together; spaces at the context's end go to the continuation.
void move_spaces(std::string& context, std::string& continuation) {
  const auto last = context.find_last_not_of(" \t\n\r\f\v");
  const auto keep = last == std::string::npos ? 0 : last + 1;
  continuation = context.substr(keep) + continuation;
  context.resize(keep);
}

// None: dropped.
Result<std::optional<Pair>> encode_pair(const Likelihood& likelihood, const Tokenizer& tokenizer,
                                        SpecialTokens special, DropCounts& dropped) {
  std::string context = likelihood.context;
  std::string continuation = likelihood.continuation;
  move_spaces(context, continuation);
  const auto drop = [&](const char* reason) {
    dropped.add(reason);
    return std::optional<Pair>();
  };
  if (context.empty()) return drop("empty context");
  const auto before = tokenizer.encode(context, special);
  if (!before) return before.error();
  const auto whole = tokenizer.encode(context + continuation, special);
  if (!whole) return whole.error();
  if (!round_trips(tokenizer, context + continuation, *whole, special)) return drop("ambiguous text");
  if (whole->size() <= before->size() || !std::equal(before->begin(), before->end(), whole->begin()))
    return drop("ambiguous boundary of context and continuation");
  if (whole->size() > before->size() + 1) return drop("sum over several tokens");
  if (std::isinf(likelihood.logprob)) return drop("probability of zero");
  return std::optional(Pair{*before, whole->back()});
}

}  // namespace

bool round_trips(const Tokenizer& tokenizer, const std::string& text, const std::vector<TokenId>& ids,
                 SpecialTokens special) {
  if (text.find(kReplacement) != std::string::npos) return false;
  std::string decoded = tokenizer.decode(ids);
  // What the file's post-processor put in front is no part of the text.
  if (special == SpecialTokens::add && decoded.size() > text.size() && decoded.ends_with(text)) return true;
  return decoded == text;
}

Result<std::vector<Generation>> generations_of(const LmEvalDocument& document, const Tokenizer& tokenizer,
                                               SpecialTokens special, const std::string& file,
                                               DropCounts& dropped) {
  std::vector<Generation> made;
  std::vector<std::vector<TokenId>> contexts;
  for (const Likelihood& likelihood : document.likelihoods) {
    auto encoded = encode_pair(likelihood, tokenizer, special, dropped);
    if (!encoded) return encoded.error();
    if (!*encoded) continue;
    const Pair& pair = **encoded;
    const auto known = std::find(contexts.begin(), contexts.end(), pair.context);
    const auto at = static_cast<std::size_t>(known - contexts.begin());
    if (known == contexts.end()) {
      contexts.push_back(pair.context);
      Generation generation{.setup = {},
                            .reference = 0,
                            .prompt_ids = pair.context,
                            .generated_ids = {},
                            .prefill = {},
                            .decode = {}};
      generation.prompt_ids.push_back(pair.continuation);
      generation.prefill = {{static_cast<Index>(pair.context.size()), {}}};
      made.push_back(std::move(generation));
    }
    auto& scores = made[at].prefill[0].scores;
    const TokenScore score{pair.continuation, static_cast<float>(likelihood.logprob), 0};
    const TokenScore* other = find_score(scores, score.id);
    if (other != nullptr && other->logprob != score.logprob) {
      return Error{fmt::format("{}, line {}", file, document.line), "resps",
                   fmt::format("one log-probability of token {}", score.id),
                   fmt::format("{} and {}", other->logprob, score.logprob)};
    }
    if (other == nullptr) scores.push_back(score);
  }
  for (Generation& generation : made) {
    auto& scores = generation.prefill[0].scores;
    std::stable_sort(scores.begin(), scores.end(),
                     [](const TokenScore& a, const TokenScore& b) { return a.logprob > b.logprob; });
  }
  return made;
}

}  // namespace assay
