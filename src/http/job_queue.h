// Which job of a fleet's run is due. Jobs start lowest first and not too far ahead of the first that is not done;
// failed ones come again after their delay.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "base/index.h"

namespace assay {

inline constexpr Index kNowhere = -1;

struct DueJob {
  Index job = 0;
  int tries = 0;               // that failed before
  Index failed_at = kNowhere;  // endpoint of the last one
};

class JobQueue {
 public:
  JobQueue(Index jobs, Index most_ahead);

  // The lowest due job above `after`, which stays in the queue until start().
  std::optional<DueJob> due(double now, Index after) const;
  void start(const DueJob& job);
  void fail(const DueJob& job, double not_before);
  void finish(Index job);  // throws Fault where it was finished before
  bool all_finished() const { return first_unfinished_ == static_cast<Index>(finished_.size()); }

  // When the next job that waits for its delay becomes due; infinity if none.
  double next_due(double now) const;

 private:
  struct Failed {
    DueJob job;
    double not_before;
  };
  Index most_ahead_;
  Index next_ = 0;  // the first that was never started
  Index first_unfinished_ = 0;
  std::vector<bool> finished_;
  std::map<Index, Failed> failed_;
};

}  // namespace assay
