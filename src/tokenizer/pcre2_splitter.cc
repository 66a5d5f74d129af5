#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "tokenizer/splitter.h"
#include "tokenizer/unicode.h"

namespace assay {
namespace {

// What \s*[\r\n]+ needs on a megabyte of spaces: a few bytes for each step back. Grown only as far as it is
// used.
constexpr std::size_t kJitStackStart = std::size_t{32} << 10;
constexpr std::size_t kJitStackMost = std::size_t{64} << 20;

template <auto kFree>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Code = std::unique_ptr<pcre2_code, Freer<pcre2_code_free>>;
using CompileContext = std::unique_ptr<pcre2_compile_context, Freer<pcre2_compile_context_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Freer<pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Freer<pcre2_match_data_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Freer<pcre2_jit_stack_free>>;

std::string pcre2_message(int code) {
  std::array<unsigned char, 256> text = {};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

Result<Code> compile(std::string_view pattern, const std::string& file) {
  const CompileContext context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);  // what a dot does not match, in Ruby's syntax
  int code = 0;
  std::size_t offset = 0;
  Code compiled(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                              PCRE2_UTF | PCRE2_UCP, &code, &offset, context.get()));
  if (compiled) {
    pcre2_jit_compile(compiled.get(), PCRE2_JIT_COMPLETE);  // without JIT, pcre2_match interprets
    return compiled;
  }
  return Error{file, "pre_tokenizer.pretokenizers[0].pattern.Regex", "a pattern that PCRE2 compiles",
               pcre2_message(code) + " at byte " + std::to_string(offset) + " of " + std::string(pattern)};
}

// One text being searched.
class Search {
 public:
  Search(const pcre2_code* code, std::string_view text)
      : code_(code),
        text_(text),
        data_(pcre2_match_data_create(1, nullptr)),  // capturing groups are of no interest
        context_(pcre2_match_context_create(nullptr)) {}

  // 1: begin() and end() hold the first match from `from` on; 0: there is none; negative: PCRE2 gave up.
  int find(std::size_t from) {
    int code = match(from);
    if (code == PCRE2_ERROR_JIT_STACKLIMIT &&
        !stack_) {  // the 32 KB that come without asking were not enough
      stack_.reset(pcre2_jit_stack_create(kJitStackStart, kJitStackMost, nullptr));
      pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
      code = match(from);
    }
    if (code == PCRE2_ERROR_NOMATCH) return 0;
    return code < 0 ? code : 1;  // PCRE2 returns 0 if there are more groups than room
  }
  std::size_t begin() const { return pcre2_get_ovector_pointer(data_.get())[0]; }
  std::size_t end() const { return pcre2_get_ovector_pointer(data_.get())[1]; }

 private:
  int match(std::size_t from) const {
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(), from,
                       PCRE2_NO_UTF_CHECK, data_.get(), context_.get());
  }

  const pcre2_code* code_;
  std::string_view text_;
  MatchData data_;
  MatchContext context_;
  JitStack stack_;
};

class Pcre2Splitter : public Splitter {
 public:
  Pcre2Splitter(Code code, Code unassigned, std::string file)
      : code_(std::move(code)), unassigned_(std::move(unassigned)), file_(std::move(file)) {}

  Result<std::vector<std::string_view>> split(std::string_view text) const override {
    Search unknown(unassigned_.get(), text);
    if (unknown.find(0) == 1) {
      return Error{"text", "byte " + std::to_string(unknown.begin()),
                   "code points that PCRE2 knows, as the pattern of " + file_ + " needs it",
                   "an unassigned one"};
    }
    Search search(code_.get(), text);
    std::vector<std::string_view> pieces;
    const auto add = [&](std::size_t begin, std::size_t end) {
      if (begin != end) pieces.push_back(text.substr(begin, end - begin));
    };
    std::size_t done = 0;
    bool matched_before = false;
    for (std::size_t from = 0; from <= text.size();) {
      const int code = search.find(from);
      if (code == 0) break;
      if (code < 0) {
        return Error{"text", "byte " + std::to_string(from), "a match within PCRE2's limits",
                     pcre2_message(code)};
      }
      if (search.begin() == search.end() && matched_before &&
          search.end() == done) {  // as the Rust crate `onig` does
        from += from < text.size() ? first_code_point(text.substr(from)).length : 1;
        continue;
      }
      add(done, search.begin());
      add(search.begin(), search.end());
      from = done = search.end();
      matched_before = true;
    }
    add(done, text.size());
    return pieces;
  }

 private:
  Code code_;
  Code unassigned_;  // \p{Cn}
  std::string file_;
};

}  // namespace

Result<std::unique_ptr<Splitter>> pcre2_splitter(std::string_view pattern, const std::string& file) {
  const auto translated = to_pcre2(pattern, file);
  if (!translated) return translated.error();
  auto code = compile(*translated, file);
  if (!code) return code.error();
  auto unassigned = compile("\\p{Cn}", file);
  if (!unassigned) return unassigned.error();
  return std::unique_ptr<Splitter>(
      std::make_unique<Pcre2Splitter>(*std::move(code), *std::move(unassigned), file));
}

}  // namespace assay
