// For tests: splits with Oniguruma (Ruby's syntax, UTF-8), the engine that Hugging Face tokenizers runs. Its
// header clashes with the C library's regex.h, which gmock includes; so it stays in oniguruma_oracle_test.cc.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

class OnigurumaOracle {
 public:
  // Fault if Oniguruma does not compile the pattern.
  explicit OnigurumaOracle(const std::string& pattern);
  ~OnigurumaOracle();

  struct Match {
    std::size_t begin, end;
  };

  // Every match, as the Rust crate `onig` iterates: an empty match right behind the last one is passed over.
  std::vector<Match> matches(std::string_view text) const;

  // Matches and what lies between them, without the empty ones.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct Regex;
  std::unique_ptr<Regex> regex_;
};

}  // namespace assay
