// What goes wrong with a reply, and with which one.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/index.h"

namespace assay {

enum class FaultKind : std::uint8_t {
  none,
  refused,           // no reply; every connection and the listener are closed, the latter for a second
  reset,             // no reply; the connection is reset (RST)
  slow,              // the reply comes after ServerOptions::slow
  cut,               // half of the body that Content-Length announces, then the end of the connection
  too_many,          // "429": with Retry-After: 1
  server_error,      // "500"
  wrong_ids,         // ids (or texts) of other tokens than were computed
  nan,               // one log-probability is the word NaN
  null_number,       // "null": one log-probability is null
  duplicate,         // the whole reply twice
  die,               // the process ends without a reply
  missing_position,  // the scores of one position are left out
};

// The computed requests `first` to `last`, counted from 1, have the fault.
struct PlannedFault {
  FaultKind fault = FaultKind::reset;
  Index first = 1;
  Index last = 1;
};

// "reset@3,429@5-7,slow@9-": at the third, the fifth to seventh, and every one from the ninth on. Error: anything else.
Result<std::vector<PlannedFault>> parse_faults(std::string_view list);

// Thread-safe.
class FaultPlan {
 public:
  explicit FaultPlan(std::vector<PlannedFault> faults) : faults_(std::move(faults)) {}

  // Counts one computed request; its fault, the first in the list.
  FaultKind next();
  Index counted() const;
  // In place of the faults so far; counted from here on.
  void arm(std::vector<PlannedFault> faults);

 private:
  mutable std::mutex mutex_;
  std::vector<PlannedFault> faults_;
  Index counted_ = 0;
  Index armed_at_ = 0;
};

}  // namespace assay
