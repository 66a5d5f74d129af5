#include "servers/faults.h"

#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace assay {
namespace {

constexpr std::array<std::pair<std::string_view, FaultKind>, 12> kWords = {
    {{"refused", FaultKind::refused},
     {"reset", FaultKind::reset},
     {"slow", FaultKind::slow},
     {"cut", FaultKind::cut},
     {"429", FaultKind::too_many},
     {"500", FaultKind::server_error},
     {"wrong_ids", FaultKind::wrong_ids},
     {"nan", FaultKind::nan},
     {"null", FaultKind::null_number},
     {"duplicate", FaultKind::duplicate},
     {"die", FaultKind::die},
     {"missing_position", FaultKind::missing_position}}};

constexpr Index kForever = Index{1} << 60;

std::optional<Index> parse_number(std::string_view text) {
  Index value = 0;
  const auto [end, trouble] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (trouble != std::errc() || end != text.data() + text.size() || value < 1) return std::nullopt;
  return value;
}

std::optional<PlannedFault> parse_fault(std::string_view word) {
  const auto at = word.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view range = word.substr(at + 1);
  const auto dash = range.find('-');
  const auto first = parse_number(range.substr(0, dash));
  const bool open = dash != std::string_view::npos && dash + 1 == range.size();
  const auto last =
      dash == std::string_view::npos ? first : (open ? kForever : parse_number(range.substr(dash + 1)));
  if (!first || !last || *last < *first) return std::nullopt;
  for (const auto& [name, fault] : kWords) {
    if (name == word.substr(0, at)) return PlannedFault{fault, *first, *last};
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<PlannedFault>> parse_faults(std::string_view list) {
  std::vector<PlannedFault> faults;
  while (!list.empty()) {
    const auto comma = list.find(',');
    const auto fault = parse_fault(list.substr(0, comma));
    if (!fault) {
      std::string words;
      for (const auto& [name, ignored] : kWords) words += (words.empty() ? "" : ", ") + std::string(name);
      return Error{"", "--fault", "KIND@N, KIND@N-M or KIND@N- with a KIND of " + words,
                   std::string(list.substr(0, comma))};
    }
    faults.push_back(*fault);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return faults;
}

FaultKind FaultPlan::next() {
  const std::lock_guard lock(mutex_);
  const Index number = ++counted_ - armed_at_;
  for (const PlannedFault& fault : faults_) {
    if (fault.first <= number && number <= fault.last) return fault.fault;
  }
  return FaultKind::none;
}

Index FaultPlan::counted() const {
  const std::lock_guard lock(mutex_);
  return counted_;
}

void FaultPlan::arm(std::vector<PlannedFault> faults) {
  const std::lock_guard lock(mutex_);
  faults_ = std::move(faults);
  armed_at_ = counted_;
}

}  // namespace assay
