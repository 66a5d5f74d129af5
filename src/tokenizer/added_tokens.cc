#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "base/error.h"
#include "tokenizer/unicode.h"

namespace assay {
namespace {

bool has_class(CodePoint point, unsigned bits) { return (code_point_table()[point.code] & bits) != 0; }

bool touches_word(std::string_view before, std::string_view after) {
  return (!before.empty() && has_class(last_code_point(before), kWord)) ||
         (!after.empty() && has_class(first_code_point(after), kWord));
}

std::size_t spaces_at_end(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size()) {
    const CodePoint last = last_code_point(text.substr(0, text.size() - count));
    if (!has_class(last, kSpace)) break;
    count += last.length;
  }
  return count;
}

std::size_t spaces_at_start(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size()) {
    const CodePoint next = first_code_point(text.substr(count));
    if (!has_class(next, kSpace)) break;
    count += next.length;
  }
  return count;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.content.size() > b.content.size();
  });
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    require(!tokens_[i].content.empty(), "an added token has content");
    by_first_byte_[static_cast<unsigned char>(tokens_[i].content[0])].push_back(i);
  }
}

const AddedToken* AddedTokens::longest_at(std::string_view text) const {
  for (const std::size_t i : by_first_byte_[static_cast<unsigned char>(text[0])]) {
    if (text.starts_with(tokens_[i].content)) return &tokens_[i];
  }
  return nullptr;
}

std::vector<Section> AddedTokens::cut(std::string_view text) const {
  std::vector<Section> sections;
  std::size_t done = 0;  // end of the last section
  for (std::size_t at = 0; at < text.size();) {
    const AddedToken* token = longest_at(text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at;
    std::size_t end = at + token->content.size();
    at = end;
    if (token->single_word && touches_word(text.substr(0, begin), text.substr(end))) continue;
    if (token->lstrip) begin = std::max(done, begin - spaces_at_end(text.substr(0, begin)));
    if (token->rstrip) end += spaces_at_start(text.substr(end));
    if (done < begin) sections.push_back({std::nullopt, text.substr(done, begin - done)});
    sections.push_back({token->id, text.substr(begin, end - begin)});
    done = end;
  }
  if (done < text.size()) sections.push_back({std::nullopt, text.substr(done)});
  return sections;
}

}  // namespace assay
