#include <algorithm>
#include <array>
#include <cstdlib>

#include "tokenizer/splitter.h"

namespace assay {
namespace {

constexpr std::array<std::string_view, 42> kProperties = {
    "L",  "Lu",  "Ll",       "Lt",       "Lm",     "Lo",    "M",        "Mn",    "Mc",    "Me", "N",
    "Nd", "Nl",  "No",       "P",        "Pc",     "Pd",    "Ps",       "Pe",    "Pi",    "Pf", "Po",
    "S",  "Sm",  "Sc",       "Sk",       "So",     "Z",     "Zs",       "Zl",    "Zp",    "Cc", "Cf",
    "Co", "Han", "Hiragana", "Katakana", "Hangul", "Latin", "Cyrillic", "Greek", "Arabic"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_ascii_punctuation(char c) { return c > ' ' && c < '\x7F' && !is_letter(c) && !is_digit(c); }

// Oniguruma folds these pairs, without case, to one code point too (ff to U+FB00, ss to U+00DF); PCRE2 does
// not.
bool folds_together(char a, char b) {
  const char first = static_cast<char>(a | 0x20);
  const char second = static_cast<char>(b | 0x20);
  return (first == 'f' && (second == 'f' || second == 'i' || second == 'l')) ||
         (first == 's' && (second == 's' || second == 't'));
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  // True if the whole pattern was understood; then output() is it for PCRE2, else refused() says what stopped
  // it.
  bool run() {
    while (at_ < in_.size()) {
      if (!step()) return false;
    }
    return groups_.empty() || refuse("a group that is not closed");
  }

  const std::string& output() const { return out_; }
  std::string refused() const { return why_ + " at byte " + std::to_string(at_) + " of " + std::string(in_); }

 private:
  struct Group {
    bool caseless;
    bool lookahead;
  };

  bool refuse(std::string why) {
    why_ = std::move(why);
    return false;
  }
  bool next_is(std::string_view text) const { return in_.substr(at_).starts_with(text); }
  bool caseless() const { return !groups_.empty() && groups_.back().caseless; }
  bool copy(std::size_t count) {
    out_ += in_.substr(at_, count);
    at_ += count;
    return true;
  }

  bool step() {
    const char c = in_[at_];
    const bool was_quantifiable = quantifiable_;
    quantifiable_ = true;
    switch (c) {
      case '(':
        return open_group();
      case ')':
        if (groups_.empty()) return refuse("a ) without its (");
        quantifiable_ = !groups_.back().lookahead;
        groups_.pop_back();
        return copy(1);
      case '|':
        quantifiable_ = false;
        return copy(1);
      case '*':
      case '+':
      case '?':
      case '{':
        return was_quantifiable && !caseless() ? quantifier() : refuse("a quantifier here");
      case '[':
        return bracket();
      case '\\':
        return escape();
      case '.':
        return caseless() ? refuse("a dot that ignores case") : copy(1);
      case '^':
      case '$':
      case ']':
      case '}':
        return refuse(std::string("the unescaped character ") + c);
      default:
        return literal();
    }
  }

  bool literal() {
    if (!caseless()) return copy(1);
    if (static_cast<unsigned char>(in_[at_]) >= 0x80)
      return refuse("a literal beyond ASCII that ignores case");
    if (at_ + 1 < in_.size() && folds_together(in_[at_], in_[at_ + 1])) {
      return refuse("letters that fold to one ligature");
    }
    return copy(1);
  }

  bool open_group() {
    quantifiable_ = false;
    const bool inherited = caseless();
    if (next_is("(?:")) return groups_.push_back({inherited, false}), copy(3);
    if (next_is("(?i:")) return groups_.push_back({true, false}), copy(4);
    if (next_is("(?!") || next_is("(?=")) return groups_.push_back({inherited, true}), copy(3);
    if (next_is("(?") || next_is("(*")) return refuse("a group of unknown kind");
    return groups_.push_back({inherited, false}), copy(1);
  }

  bool quantifier() {
    const bool interval = in_[at_] == '{';
    std::size_t length = 1;
    if (interval) {
      length = interval_length();
      if (length == 0) return refuse("a { that begins no {n}, {n,} or {n,m}");
    }
    copy(length);
    quantifiable_ = false;
    // After an interval, Ruby's syntax reads + as another repeat and ? as "or nothing".
    if (!interval && (next_is("?") || next_is("+"))) return copy(1);
    return true;
  }

  // Length of "{n}", "{n,}" or "{n,m}" with at most three digits each, n <= m; 0 if there is none.
  std::size_t interval_length() const {
    std::size_t i = at_ + 1;
    const auto number = [&] {
      int value = i < in_.size() && is_digit(in_[i]) ? 0 : -1;
      for (int digits = 0; digits < 3 && i < in_.size() && is_digit(in_[i]); ++digits)
        value = value * 10 + (in_[i++] - '0');
      return value;
    };
    const int least = number();
    int most = least;
    if (i < in_.size() && in_[i] == ',') {
      ++i;
      if (i < in_.size() && in_[i] != '}') most = number();
    }
    return least >= 0 && most >= least && i < in_.size() && in_[i] == '}' ? i + 1 - at_ : 0;
  }

  bool escape() {
    const char c = at_ + 1 < in_.size() ? in_[at_ + 1] : '\0';
    if (c == 'r' || c == 'n' || c == 't' || c == 'f' || is_ascii_punctuation(c)) return copy(2);
    if (caseless()) return refuse("a class that ignores case");
    if (c == 's' || c == 'S') {  // PCRE2 counts U+180E as a space; White_Space and Oniguruma do not
      out_ += c == 's' ? "\\p{White_Space}" : "\\P{White_Space}";
      at_ += 2;
      return true;
    }
    if ((c == 'p' || c == 'P') && at_ + 2 < in_.size() && in_[at_ + 2] == '{') {
      const std::size_t close = in_.find('}', at_);
      const std::string_view name = in_.substr(at_ + 3, std::min(close, in_.size()) - at_ - 3);
      const bool known = std::find(kProperties.begin(), kProperties.end(), name) != kProperties.end();
      if (close != std::string_view::npos && known) return copy(name.size() + 4);
    }
    return refuse("an unknown escape");
  }

  bool bracket() {
    if (caseless() && next_is("[^")) return refuse("a class that ignores case");
    copy(next_is("[^") ? 2 : 1);
    bool can_begin_range = false;
    for (bool first = true; at_ < in_.size(); first = false) {
      const char c = in_[at_];
      if (c == ']') return first ? refuse("an empty class") : copy(1);
      if (c == '[' || next_is("&&")) return refuse("a class inside a class");
      if (c == '-' && !first && !next_is("-]")) {
        copy(1);
        if (!can_begin_range || at_ == in_.size() || in_[at_] == '[' || in_[at_] == '\\') {
          return refuse("a range whose ends are not plain characters");
        }
        can_begin_range = false;
        if (!class_literal()) return false;
        continue;
      }
      can_begin_range = c != '\\' && c != '-';
      if (c == '\\' ? !escape() : !class_literal()) return false;
    }
    return refuse("a class that is not closed");
  }

  // One code point: a range's end must not be taken for the single bytes of a longer sequence.
  bool class_literal() {
    if (caseless() && !is_letter(in_[at_])) return refuse("a class that ignores case");
    std::size_t length = 1;
    while (at_ + length < in_.size() && (static_cast<unsigned char>(in_[at_ + length]) & 0xC0) == 0x80)
      ++length;
    return copy(length);
  }

  std::string_view in_;
  std::size_t at_ = 0;
  std::string out_;
  std::string why_;
  std::vector<Group> groups_;
  bool quantifiable_ = false;
};

}  // namespace

Result<std::string> to_pcre2(std::string_view pattern, const std::string& file) {
  Translator translator(pattern);
  if (translator.run()) return translator.output();
  return Error{file, "pre_tokenizer.pretokenizers[0].pattern.Regex",
               "a pattern of the subset that two engines agree on", translator.refused()};
}

}  // namespace assay
