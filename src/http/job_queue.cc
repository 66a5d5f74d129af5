#include "http/job_queue.h"

#include <algorithm>

#include "base/error.h"

namespace assay {

JobQueue::JobQueue(Index jobs, Index most_ahead)
    : most_ahead_(most_ahead), finished_(static_cast<std::size_t>(jobs), false) {}

std::optional<DueJob> JobQueue::due(double now, Index after) const {
  for (auto at = failed_.upper_bound(after); at != failed_.end(); ++at) {
    if (at->second.not_before <= now) return at->second.job;
  }
  const bool within = next_ < static_cast<Index>(finished_.size()) && next_ < first_unfinished_ + most_ahead_;
  if (next_ > after && within) return DueJob{next_, 0, kNowhere};
  return {};
}

void JobQueue::start(const DueJob& job) {
  if (failed_.erase(job.job) > 0) return;
  require(job.job == next_, "jobs start in order");
  ++next_;
}

void JobQueue::fail(const DueJob& job, double not_before) { failed_[job.job] = {job, not_before}; }

void JobQueue::finish(Index job) {
  require(!finished_[static_cast<std::size_t>(job)], "a job is finished once");
  finished_[static_cast<std::size_t>(job)] = true;
  while (!all_finished() && finished_[static_cast<std::size_t>(first_unfinished_)]) ++first_unfinished_;
}

double JobQueue::next_due(double now) const {
  double next = std::numeric_limits<double>::infinity();
  for (const auto& [job, failed] : failed_) {
    if (failed.not_before > now) next = std::min(next, failed.not_before);
  }
  return next;
}

}  // namespace assay
