// libFuzzer: no tokenizer.json and no text may crash, hang, or break decode(encode(x)) = NFC(x) in the
// absence of added tokens. Input: a tokenizer.json, then a zero byte and a text, or neither. Seeds:
// tests/fixtures/tokenizer/.
#include <algorithm>
#include <cstdint>

#include "base/error.h"
#include "tokenizer/normalize.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\0'), input.size());
  const std::string_view json = input.substr(0, end);
  const std::string_view text = input.substr(std::min(end + 1, input.size()));
  const auto tokenizer = assay::Tokenizer::parse(json, "fuzz.json");
  if (!tokenizer) {
    assay::require(!tokenizer.error().message().empty(), "an error says what is wrong");
    return 0;
  }
  const auto ids = tokenizer->encode(text, assay::SpecialTokens::none);
  if (!ids) return 0;
  for (const std::int32_t id : *ids)
    assay::require(tokenizer->bytes_of(id).has_value(), "every id has a token");
  const auto file = assay::parse_tokenizer_file(json, "fuzz.json").value();
  if (!file.added.empty()) return 0;
  assay::require(tokenizer->decode(*ids) == (file.normalize_nfc ? assay::nfc(text) : std::string(text)),
                 "decoding undoes encoding");
  return 0;
}
