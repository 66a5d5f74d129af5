#include "verify/sanity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "record/fingerprint.h"
#include "verify/distance.h"
#include "verify/intervals.h"

namespace assay {
namespace {

// generations[setup][reference], every setup with the same references.
using Table = std::vector<std::vector<const Generation*>>;

Result<Table> tabulate(const Record& record, const std::string& file, std::vector<Index>& references) {
  for (const Generation& run : record.generations) references.push_back(run.reference);
  std::sort(references.begin(), references.end());
  references.erase(std::unique(references.begin(), references.end()), references.end());
  Table table;
  for (const Setup& setup : record.setups) {
    auto& row = table.emplace_back();
    for (const Index reference : references) {
      const auto found = std::find_if(
          record.generations.begin(), record.generations.end(),
          [&](const Generation& run) { return run.setup == setup.name && run.reference == reference; });
      if (found == record.generations.end()) {
        return Error{file, fmt::format("{}/ref_{}", setup.name, reference),
                     "a generation for each setup and reference", "none"};
      }
      row.push_back(&*found);
    }
  }
  return table;
}

double floor_of(const Record& record, const std::string& setup, double NoiseFloor::*phase) {
  for (const NoiseFloor& floor : record.noise_floors) {
    if (floor.setup == setup) return floor.*phase;
  }
  return 0;
}

double finite_off_diagonal_mean(const Matrix& matrix) {
  double sum = 0;
  Index cells = 0;
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    for (std::size_t j = 0; j < matrix.size(); ++j) {
      if (i == j || !std::isfinite(matrix[i][j])) continue;
      sum += matrix[i][j];
      ++cells;
    }
  }
  return cells == 0 ? 0 : sum / static_cast<double>(cells);
}

// Joins the classes of each pair, then lists the classes by their first member.
std::vector<std::vector<std::string>> classes(const std::vector<Setup>& setups,
                                              const std::vector<SetupPair>& pairs) {
  std::map<std::string, std::size_t> class_of;
  for (std::size_t i = 0; i < setups.size(); ++i) class_of[setups[i].name] = i;
  for (const auto& [first, second] : pairs) {
    const std::size_t kept = std::min(class_of.at(first), class_of.at(second));
    const std::size_t dropped = std::max(class_of.at(first), class_of.at(second));
    for (auto& [name, member] : class_of) member = member == dropped ? kept : member;
  }
  std::vector<std::vector<std::string>> result;
  for (std::size_t i = 0; i < setups.size(); ++i) {
    std::vector<std::string> members;
    for (const Setup& setup : setups) {
      if (class_of.at(setup.name) == i) members.push_back(setup.name);
    }
    if (!members.empty()) result.push_back(std::move(members));
  }
  return result;
}

SanityCheck check_phase(const Record& record, const Table& table, PhaseView (*view)(const Generation&),
                        double NoiseFloor::*floor, DistanceRule rule) {
  const std::size_t n = table.size();
  const std::size_t references = n == 0 ? 0 : table.front().size();
  SanityCheck check;
  check.matrix.assign(n, std::vector<double>(n, 0));
  for (std::size_t r = 0; r < references; ++r) {
    Matrix& one = check.per_reference_matrices.emplace_back(n, std::vector<double>(n, 0));
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        if (i == j) continue;
        one[i][j] = compare_phase(view(*table[i][r]), view(*table[j][r]), rule, record.settings.top_k).mean;
        check.matrix[i][j] += one[i][j];
      }
    }
  }
  for (auto& row : check.matrix) {
    for (double& cell : row) cell /= static_cast<double>(std::max<std::size_t>(references, 1));
  }
  check.intervals = cell_intervals(check.per_reference_matrices);
  check.off_diagonal_mean = finite_off_diagonal_mean(check.matrix);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i + 1; j < n; ++j) {
      const std::string& first = record.setups[i].name;
      const std::string& second = record.setups[j].name;
      const double noise = std::max(floor_of(record, first, floor), floor_of(record, second, floor));
      if (check.matrix[i][j] <= noise && check.matrix[j][i] <= noise) {
        check.equivalent_pairs.emplace_back(first, second);
      }
    }
  }
  check.kernel_classes = classes(record.setups, check.equivalent_pairs);
  return check;
}

}  // namespace

Result<RecordAnalysis> analyze_record(const Record& record, const std::string& file, DistanceRule rule) {
  RecordAnalysis analysis;
  const auto table = tabulate(record, file, analysis.references);
  if (!table) return table.error();
  analysis.setups = record.setups;
  analysis.environment = record.environment;
  analysis.settings = record.settings;
  analysis.timestamp = record.timestamp;
  analysis.fingerprint = fingerprint(record);
  analysis.rule = rule;
  analysis.noise_floors = record.noise_floors;
  analysis.agreements = token_agreement(record);
  analysis.prefill = check_phase(record, *table, prefill_view, &NoiseFloor::prefill, rule);
  analysis.decode = check_phase(record, *table, decode_view, &NoiseFloor::decode, rule);
  return analysis;
}

}  // namespace assay
