// What recipes share: rectangles of outputs gathered into a Schedule with each order once and as few regions
// as neighbours with equal orders allow (the executor is faster on large regions).
#pragma once

#include <vector>

#include "kernels/schedule.h"

namespace assay {

inline Walk contiguous_walk(Index first, Index length) {
  return {.first = first, .run = length, .stride = length, .count = 1};
}

// ((p0 + p1) + p2) + ... over walks of the given lengths, back to back from k = 0.
SumOrder ascending_sum(const std::vector<Index>& lengths);

class ScheduleBuilder {
 public:
  // The index of an equal order, added if there is none yet.
  Index order(const SumOrder& order);

  // Rectangles must not overlap; one without rows or columns is ignored.
  void add(const Region& region);

  // Merges neighbours; regions come in (row, column) order. The builder is empty afterwards.
  Schedule take();

 private:
  Schedule schedule_;
};

}  // namespace assay
