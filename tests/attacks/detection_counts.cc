#include "attacks/detection_counts.h"

#include <fmt/format.h>

#include <algorithm>

namespace assay::attacks {

void DetectionCounts::add(const std::string& row, const std::vector<Decision>& decisions) {
  auto found = std::find_if(rows_.begin(), rows_.end(), [&](const Row& known) { return known.name == row; });
  if (found == rows_.end()) {
    found = rows_.insert(rows_.end(), {row, std::vector<Cell>(rules_.size())});
  }
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const Outcome outcome = decisions.at(i).outcome;
    Cell& cell = found->cells[i];
    ++cell.records;
    cell.refuted += outcome == Outcome::refuted ? 1 : 0;
    cell.inconclusive += outcome == Outcome::inconclusive ? 1 : 0;
  }
}

std::string DetectionCounts::markdown() const {
  std::string text = "| record |";
  std::string line = "|---|";
  for (const std::string& rule : rules_) {
    text += fmt::format(" {} |", rule);
    line += "---:|";
  }
  text += "\n" + line + "\n";
  for (const Row& row : rows_) {
    text += fmt::format("| {} |", row.name);
    for (const Cell& cell : row.cells) {
      text += fmt::format(" {}/{}", cell.refuted, cell.records);
      text += cell.inconclusive > 0 ? fmt::format(" ({} open) |", cell.inconclusive) : " |";
    }
    text += "\n";
  }
  return text;
}

}  // namespace assay::attacks
