#include "engine/vllm/id_rows.h"

#include <algorithm>

namespace assay {

Index IdRows::width() const {
  Index width = 0;
  for (const auto& row : ids) width = std::max(width, std::ssize(row));
  return width;
}

std::span<const TokenId> IdRows::at(Index position) const {
  if (ids.empty() || position < first) return {};
  return ids[static_cast<std::size_t>(position - first)];
}

IdRows id_rows(const ScoreRequest& request, Index most) {
  IdRows rows;
  for (const AskedPosition& asked : request.asked) {
    std::vector<TokenId> others = asked.ids;
    std::erase(others, request.tokens[static_cast<std::size_t>(asked.position)]);
    if (others.empty() || (most != 0 && std::ssize(others) > most)) continue;
    if (rows.ids.empty()) {
      rows.first = asked.position;
      rows.ids.resize(request.tokens.size() - static_cast<std::size_t>(asked.position));
    }
    rows.ids[static_cast<std::size_t>(asked.position - rows.first)] = std::move(others);
  }
  return rows;
}

}  // namespace assay
