// How often each rule refuted each kind of record, and the table of it.
#pragma once

#include <string>
#include <vector>

#include "attacks/trial.h"

namespace assay::attacks {

class DetectionCounts {
 public:
  explicit DetectionCounts(std::vector<std::string> rules) : rules_(std::move(rules)) {}

  // One record's decisions, by rule. Rows come in the order of their first record.
  void add(const std::string& row, const std::vector<Decision>& decisions);

  // Markdown; a cell is "refuted/records", with the number that the rule left open.
  std::string markdown() const;

 private:
  struct Cell {
    Index refuted = 0;
    Index inconclusive = 0;
    Index records = 0;
  };
  struct Row {
    std::string name;
    std::vector<Cell> cells;  // by rule
  };

  std::vector<std::string> rules_;
  std::vector<Row> rows_;
};

}  // namespace assay::attacks
