// All cores over a range of independent pieces of work.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace assay_probe {

inline int core_count() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

// body(i, worker) for each i in [0, count), workers numbered from 0 below core_count(). `body` may not throw.
template <class Body>
void parallel_for(std::int64_t count, const Body& body) {
  std::atomic<std::int64_t> next{0};
  const auto work = [&](int worker) {
    for (std::int64_t i = next++; i < count; i = next++) body(i, worker);
  };
  std::vector<std::jthread> threads;
  const int workers = static_cast<int>(std::min<std::int64_t>(core_count(), count));
  for (int worker = 1; worker < workers; ++worker) threads.emplace_back(work, worker);
  if (count > 0) work(0);
}

}  // namespace assay_probe
