// NFC as Hugging Face tokenizers computes it.
#pragma once

#include <string>
#include <string_view>

namespace assay {

// Unicode normalization form C of a UTF-8 text, by the data of Unicode 9: a later code point neither changes,
// moves nor joins its neighbours (seen in Hugging Face tokenizers 0.23.3). Unicode promises that later
// versions agree on the code points of Unicode 9, so the version of utf8proc does not matter.
std::string nfc(std::string_view text);

// True only if nfc(text) == text, found without normalizing; false for some texts that would not change.
bool is_surely_nfc(std::string_view text);

}  // namespace assay
