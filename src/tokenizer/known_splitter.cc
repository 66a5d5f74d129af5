#include <algorithm>

#include "tokenizer/splitter.h"
#include "tokenizer/unicode.h"

namespace assay {
namespace {

// The three patterns differ in what a word is made of and in how many digits make a piece.
struct Dialect {
  unsigned word;          // CodePointClass bits of the code points in a word
  std::size_t digit_run;  // most \p{N} in one piece
};

bool is_newline(char byte) { return byte == '\r' || byte == '\n'; }

class Scanner {
 public:
  Scanner(std::string_view text, Dialect dialect)
      : text_(text), dialect_(dialect), classes_(code_point_table().data()) {}

  // End of the piece that begins at `at`, which is before the end of the text. The alternatives of the
  // pattern, in its order; each comment gives what backtracking leaves of one.
  std::size_t piece_end(std::size_t at) const {
    if (const std::size_t end = contraction_end(at); end != at) return end;
    const CodePoint first = first_code_point(text_.substr(at));
    const unsigned first_class = classes_[first.code];
    const std::size_t second = at + first.length;

    // [^\r\n\p{L}\p{N}]?\p{L}+
    if ((first_class & dialect_.word) != 0) return run_end(second, dialect_.word);
    if ((first_class & kNumber) == 0 && !is_newline(text_[at])) {
      const std::size_t end = run_end(second, dialect_.word);
      if (end != second) return end;
    }
    // \p{N}{1,n}
    if ((first_class & kNumber) != 0) return digits_end(second);
    //  ?[^\s\p{L}\p{N}]+[\r\n]*
    const std::size_t symbols = text_[at] == ' ' ? second : at;
    const std::size_t symbols_end = run_without(symbols, dialect_.word | kNumber | kSpace);
    if (symbols_end != symbols) return newlines_end(symbols_end);
    return space_end(at);
  }

 private:
  // (?i:'s|'t|'re|'ve|'m|'ll|'d), or `at`. Folding case adds U+017F to s; no other code point folds to these
  // letters.
  std::size_t contraction_end(std::size_t at) const {
    if (text_[at] != '\'' || at + 1 == text_.size()) return at;
    const auto lower = [this](std::size_t i) {
      const char byte = i < text_.size() ? text_[i] : '\0';
      return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    };
    const char first = lower(at + 1);
    const char second = lower(at + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
    if ((first == 'r' || first == 'v') && second == 'e') return at + 3;
    if (first == 'l' && second == 'l') return at + 3;
    return text_.substr(at + 1, 2) == "\u017F" ? at + 3 : at;
  }

  // End of the run of code points with any of `bits`.
  std::size_t run_end(std::size_t at, unsigned bits) const {
    while (at < text_.size()) {
      const CodePoint next = first_code_point(text_.substr(at));
      if ((classes_[next.code] & bits) == 0) break;
      at += next.length;
    }
    return at;
  }

  // End of the run of code points with none of `bits`.
  std::size_t run_without(std::size_t at, unsigned bits) const {
    while (at < text_.size()) {
      const CodePoint next = first_code_point(text_.substr(at));
      if ((classes_[next.code] & bits) != 0) break;
      at += next.length;
    }
    return at;
  }

  std::size_t digits_end(std::size_t at) const {
    for (std::size_t count = 1; count < dialect_.digit_run && at < text_.size(); ++count) {
      const CodePoint next = first_code_point(text_.substr(at));
      if ((classes_[next.code] & kNumber) == 0) break;
      at += next.length;
    }
    return at;
  }

  std::size_t newlines_end(std::size_t at) const {
    while (at < text_.size() && is_newline(text_[at])) ++at;
    return at;
  }

  // \s*[\r\n]+|\s+(?!\S)|\s+ at a space: up to the last newline of the run of spaces; without one, the run
  // less its last code point, which goes with what follows; all of it at the end of the text or if there is
  // only one.
  std::size_t space_end(std::size_t at) const {
    const std::size_t end = run_end(at, kSpace);
    const std::string_view run = text_.substr(at, end - at);
    if (const std::size_t newline = run.find_last_of("\r\n"); newline != std::string_view::npos) {
      return at + newline + 1;
    }
    if (end == text_.size()) return end;
    const std::size_t last = last_code_point(run).length;
    return run.size() == last ? end : end - last;
  }

  std::string_view text_;
  Dialect dialect_;
  const std::uint8_t* classes_;
};

class KnownSplitter : public Splitter {
 public:
  explicit KnownSplitter(Dialect dialect) : dialect_(dialect) {}

  Result<std::vector<std::string_view>> split(std::string_view text) const override {
    const Scanner scanner(text, dialect_);
    std::vector<std::string_view> pieces;
    pieces.reserve(text.size() / 4);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = scanner.piece_end(at);
      pieces.push_back(text.substr(at, end - at));
      at = end;
    }
    return pieces;
  }

 private:
  Dialect dialect_;
};

}  // namespace

std::unique_ptr<Splitter> known_splitter(std::string_view pattern) {
  if (pattern == kQwen2Pattern) return std::make_unique<KnownSplitter>(Dialect{kLetter, 1});
  if (pattern == kQwen35Pattern) return std::make_unique<KnownSplitter>(Dialect{kLetter | kMark, 1});
  if (pattern == kLlama3Pattern) return std::make_unique<KnownSplitter>(Dialect{kLetter, 3});
  return nullptr;
}

}  // namespace assay
