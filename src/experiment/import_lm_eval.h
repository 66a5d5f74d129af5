// The part of imports that turns lm-eval's texts into ids.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "record/lm_eval_samples.h"
#include "record/record.h"
#include "tokenizer/tokenizer.h"

namespace assay {

// Counts what is left out, by reason.
class DropCounts {
 public:
  void add(const std::string& reason, Index count = 1) {
    if (count > 0) counts_[reason] += count;
  }
  std::vector<std::pair<std::string, Index>> list() const { return {counts_.begin(), counts_.end()}; }

 private:
  std::map<std::string, Index> counts_;
};

// The generations of one document, without setup and reference; see experiment/import.h. Error: a text that is not
// UTF-8, one continuation with two log-probabilities.
Result<std::vector<Generation>> generations_of(const LmEvalDocument& document, const Tokenizer& tokenizer,
                                               SpecialTokens special, const std::string& file,
                                               DropCounts& dropped);

// Whether the tokenizer gives `text` back from its ids and they hold no broken UTF-8.
bool round_trips(const Tokenizer& tokenizer, const std::string& text, const std::vector<TokenId>& ids,
                 SpecialTokens special);

}  // namespace assay
