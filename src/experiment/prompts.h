// Prompts cut from documents, in tokens.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "experiment/experiment_file.h"
#include "tokenizer/tokenizer.h"

namespace assay {

// One prompt for each reference, in the chat form of Qwen (ChatML):
//
//   <|im_start|>system\n{system}<|im_end|>\n          (only with a system text)
//   <|im_start|>user\n{prefix}{cut}{question}<|im_end|>\n<|im_start|>assistant\n
//
// The documents' ids, one document after another, are a line of T ids; the cut of reference r is the
// settings.tokens ids from r * floor(T / references) on: cuts do not overlap and spread over all documents.
// What stands before and after the cut is tokenized by itself, so the cut has its exact length.
//
// `file` is the experiment file, `tokenizer_file` the tokenizer's. Error: a tokenizer without ChatML's
// tokens, a text that contains a special token, too little text.
Result<std::vector<std::vector<TokenId>>> build_prompts(const PromptSettings& settings,
                                                        const Tokenizer& tokenizer, const std::string& file,
                                                        const std::string& tokenizer_file);

}  // namespace assay
