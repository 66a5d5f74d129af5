// A fixed set of threads that run one indexed loop at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/index.h"

namespace assay {

// parallel_for may be called from one thread at a time, and not from inside a loop body.
class ThreadPool {
 public:
  // `threads` counts the calling thread too; 1 runs every loop inline. Fault if it is not positive.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(i) once for each i in [0, count), in any order, on any thread; returns when all are done.
  // The first exception thrown by a body is rethrown here, and the indices not yet started are skipped.
  void parallel_for(Index count, const std::function<void(Index)>& body);

 private:
  void work();
  void run_loop();

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  const std::function<void(Index)>* body_ = nullptr;
  Index count_ = 0;
  std::atomic<Index> next_ = 0;
  int busy_ = 0;
  Index generation_ = 0;
  bool stopping_ = false;
  std::exception_ptr failure_;
};

}  // namespace assay
