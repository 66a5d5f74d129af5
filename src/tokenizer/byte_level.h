// The byte-level alphabet: vocabularies write each byte as one printable code point (GPT-2's table).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace assay {

// The code point, in UTF-8, that stands for a byte: itself where printable in Latin-1, else U+0100 and up in
// order.
std::string_view byte_symbol(unsigned char byte);

// The bytes that a token's text stands for; nothing if a code point of it stands for no byte.
std::optional<std::string> bytes_of_symbols(std::string_view token);

// Moves the decodable front of `bytes` to the result, each broken sequence as U+FFFD. What could be the start
// of a sequence stays in `bytes`, unless `at_end`.
std::string take_text(std::string& bytes, bool at_end);

}  // namespace assay
