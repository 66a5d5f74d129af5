#include <oniguruma.h>

#include "base/error.h"
#include "tokenizer/oniguruma_oracle.h"

namespace assay {

struct OnigurumaOracle::Regex {
  regex_t* program = nullptr;
  OnigRegion* region = onig_region_new();

  ~Regex() {
    onig_region_free(region, 1);
    onig_free(program);
  }
};

OnigurumaOracle::OnigurumaOracle(const std::string& pattern) : regex_(std::make_unique<Regex>()) {
  OnigEncoding encoding = ONIG_ENCODING_UTF8;
  onig_initialize(&encoding, 1);
  const auto* begin = reinterpret_cast<const OnigUChar*>(pattern.data());
  OnigErrorInfo error = {};
  require(onig_new(&regex_->program, begin, begin + pattern.size(), ONIG_OPTION_NONE, ONIG_ENCODING_UTF8,
                   ONIG_SYNTAX_RUBY, &error) == ONIG_NORMAL,
          "Oniguruma compiles the pattern");
}

OnigurumaOracle::~OnigurumaOracle() = default;

std::vector<OnigurumaOracle::Match> OnigurumaOracle::matches(std::string_view text) const {
  const auto* begin = reinterpret_cast<const OnigUChar*>(text.data());
  const auto* end = begin + text.size();
  OnigRegion* region = regex_->region;
  std::vector<Match> found;
  std::size_t from = 0;
  while (from <= text.size()) {
    onig_region_clear(region);
    if (onig_search(regex_->program, begin, end, begin + from, end, region, ONIG_OPTION_NONE) < 0) break;
    const Match match{static_cast<std::size_t>(region->beg[0]), static_cast<std::size_t>(region->end[0])};
    if (match.begin == match.end && !found.empty() && found.back().end == match.end) {
      ++from;
      while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
      continue;
    }
    found.push_back(match);
    from = match.end;
  }
  return found;
}

std::vector<std::string_view> OnigurumaOracle::split(std::string_view text) const {
  std::vector<std::string_view> pieces;
  std::size_t done = 0;
  for (const Match& match : matches(text)) {
    if (done != match.begin) pieces.push_back(text.substr(done, match.begin - done));
    if (match.begin != match.end) pieces.push_back(text.substr(match.begin, match.end - match.begin));
    done = match.end;
  }
  if (done != text.size()) pieces.push_back(text.substr(done));
  return pieces;
}

}  // namespace assay
