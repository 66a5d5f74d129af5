#include "tokenizer/tokenizer.h"

#include <array>
#include <unordered_map>

#include "base/file.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/normalize.h"
#include "tokenizer/splitter.h"
#include "tokenizer/tokenizer_file.h"
#include "tokenizer/unicode.h"
#include "tokenizer/unicode_ranges.h"

namespace assay {
namespace {

constexpr std::string_view kReplacement = "\uFFFD";

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using IdByText = std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>>;

std::optional<std::int32_t> find_id(const IdByText& ids, std::string_view text) {
  const auto found = ids.find(text);
  return found == ids.end() ? std::nullopt : std::optional(found->second);
}

Result<Bpe> make_bpe(const TokenizerFile& file, const IdByText& ids, const std::string& name) {
  std::array<std::int32_t, 256> bytes = {};
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string_view symbol = byte_symbol(static_cast<unsigned char>(byte));
    const auto id = find_id(ids, symbol);
    if (!id)
      return Error{name, "model.vocab", "a token for each of the 256 bytes",
                   "none for " + std::string(symbol)};
    bytes[byte] = *id;
  }
  Merges merges;
  merges.reserve(file.merges.size());
  for (std::size_t rank = 0; rank < file.merges.size(); ++rank) {
    const auto& [left, right] = file.merges[rank];
    const std::string place = "model.merges[" + std::to_string(rank) + "]";
    for (const std::string& token : {left, right, left + right}) {
      if (!ids.contains(token)) return Error{name, place, "tokens of model.vocab", "\"" + token + "\""};
    }
    const Merge merge{static_cast<std::int32_t>(rank), *find_id(ids, left + right)};
    if (!merges.emplace(merge_pair(*find_id(ids, left), *find_id(ids, right)), merge).second) {
      return Error{name, place, "each pair once", "\"" + left + " " + right + "\" again"};
    }
  }
  return Bpe(bytes, std::move(merges));
}

Result<std::unique_ptr<Splitter>> make_splitter(const std::string& pattern, const std::string& file) {
  if (auto known = known_splitter(pattern)) return known;
  return pcre2_splitter(pattern, file);
}

AddedTokens select(const TokenizerFile& file, bool normalized) {
  std::vector<AddedToken> chosen;
  for (AddedToken token : file.added) {
    if (token.normalized != normalized) continue;
    if (normalized && file.normalize_nfc) token.content = nfc(token.content);
    chosen.push_back(std::move(token));
  }
  return AddedTokens(std::move(chosen));
}

}  // namespace

struct Tokenizer::Parts {
  bool normalize_nfc;
  AddedTokens raw_added;         // cut out before normalizing
  AddedTokens normalized_added;  // and after
  std::unique_ptr<Splitter> splitter;
  Bpe bpe;
  IdByText whole_pieces;  // with ignore_merges: every token of model.vocab by its bytes; else empty
  std::vector<std::int32_t> before;
  std::vector<std::int32_t> after;
  IdByText ids;                    // by text as in the file
  std::vector<std::string> bytes;  // by id
  std::vector<bool> special;       // by id

  // The ids of a text without added tokens.
  Result<void> encode_section(std::string_view text, std::vector<std::int32_t>& result) const;
  Result<void> encode_normalized(std::string_view text, std::vector<std::int32_t>& result) const;
};

Result<Tokenizer> Tokenizer::open(const std::filesystem::path& tokenizer_json) {
  const auto text = read_text(tokenizer_json);
  if (!text) return text.error();
  return parse(*text, tokenizer_json.string());
}

Result<Tokenizer> Tokenizer::parse(std::string_view json, const std::string& name) {
  auto parsed = parse_tokenizer_file(json, name);
  if (!parsed) return parsed.error();
  const TokenizerFile& file = *parsed;

  IdByText ids;
  IdByText whole_pieces;
  std::vector<std::string> bytes;
  for (const std::string& token : file.vocab) {
    const auto id = static_cast<std::int32_t>(bytes.size());
    const auto its_bytes = bytes_of_symbols(token);
    ids.emplace(token, id);
    if (file.ignore_merges && its_bytes) whole_pieces.emplace(*its_bytes, id);
    bytes.push_back(its_bytes.value_or(token));  // a token outside the alphabet stands for itself
  }
  auto bpe = make_bpe(file, ids, name);
  if (!bpe) return bpe.error();
  auto splitter = make_splitter(file.split_pattern, name);
  if (!splitter) return splitter.error();

  std::vector<bool> special(bytes.size());
  for (const AddedToken& token : file.added) {
    const auto id = static_cast<std::size_t>(token.id);
    if (id == bytes.size()) {
      bytes.push_back(bytes_of_symbols(token.content).value_or(token.content));
      special.push_back(false);
      ids.emplace(token.content, token.id);
    }
    special[id] = token.special;
  }
  return Tokenizer(std::make_shared<const Parts>(
      Parts{file.normalize_nfc, select(file, false), select(file, true), *std::move(splitter),
            *std::move(bpe), std::move(whole_pieces), file.before, file.after, std::move(ids),
            std::move(bytes), std::move(special)}));
}

Result<void> Tokenizer::Parts::encode_normalized(std::string_view text,
                                                 std::vector<std::int32_t>& result) const {
  const auto pieces = splitter->split(text);
  if (!pieces) return pieces.error();
  struct Range {
    std::size_t begin, end;  // in `result`
  };
  std::unordered_map<std::string_view, Range> encoded;  // words repeat: three pieces in four of a long text
  for (const std::string_view piece : *pieces) {
    const std::size_t begin = result.size();
    const auto [known, is_new] = encoded.try_emplace(piece, Range{begin, begin});
    if (!is_new) {
      for (std::size_t i = known->second.begin; i < known->second.end; ++i) result.push_back(result[i]);
      continue;
    }
    if (const auto whole = find_id(whole_pieces, piece)) {
      result.push_back(*whole);
    } else {
      bpe.encode(piece, result);
    }
    known->second.end = result.size();
  }
  return {};
}

Result<void> Tokenizer::Parts::encode_section(std::string_view text,
                                              std::vector<std::int32_t>& result) const {
  std::string normalized;
  if (normalize_nfc && !is_surely_nfc(text)) text = normalized = nfc(text);
  for (const Section& section : normalized_added.cut(text)) {
    if (section.id) {
      result.push_back(*section.id);
    } else if (auto done = encode_normalized(section.text, result); !done) {
      return done;
    }
  }
  return {};
}

Result<std::vector<std::int32_t>> Tokenizer::encode(std::string_view text, SpecialTokens special) const {
  if (const std::size_t good = well_formed_prefix(text); good != text.size()) {
    return Error{"text", "byte " + std::to_string(good), "UTF-8", "a byte sequence that is not"};
  }
  std::vector<std::int32_t> result;
  if (special == SpecialTokens::add) result = parts_->before;
  for (const Section& section : parts_->raw_added.cut(text)) {
    if (section.id) {
      result.push_back(*section.id);
    } else if (auto done = parts_->encode_section(section.text, result); !done) {
      return done.error();
    }
  }
  if (special == SpecialTokens::add) result.insert(result.end(), parts_->after.begin(), parts_->after.end());
  return result;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string bytes;
  for (const std::int32_t id : ids) bytes += bytes_of(id).value_or(kReplacement);
  return take_text(bytes, true);
}

std::optional<std::string_view> Tokenizer::bytes_of(std::int32_t id) const {
  if (id < 0 || id >= vocabulary_size()) return std::nullopt;
  return parts_->bytes[static_cast<std::size_t>(id)];
}

Index Tokenizer::vocabulary_size() const { return static_cast<Index>(parts_->bytes.size()); }

std::optional<std::int32_t> Tokenizer::id_of(std::string_view token) const {
  return find_id(parts_->ids, token);
}

bool Tokenizer::is_special(std::int32_t id) const {
  return id >= 0 && id < vocabulary_size() && parts_->special[static_cast<std::size_t>(id)];
}

std::string_view Tokenizer::unicode_version() { return kUnicodeVersion; }

std::string StreamDecoder::feed(std::int32_t id) {
  held_ += tokenizer_.bytes_of(id).value_or(kReplacement);
  return take_text(held_, false);
}

std::string StreamDecoder::finish() { return take_text(held_, true); }

}  // namespace assay
