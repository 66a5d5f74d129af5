// Host memory (mapped files) to device memory at the speed of the bus: threads copy pieces into pinned buffers, which go
// to the device while the next piece is copied.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <span>

#include "base/thread_pool.h"
#include "kernels/cuda/gpu.h"

namespace assay {

class Uploader {
 public:
  // Copies are ordered on `stream`. `pool` must outlive the uploader.
  Uploader(ThreadPool& pool, cudaStream_t stream);
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;

  // `to` gets `size` bytes in stream order. fill(at, piece) writes the bytes from `at` on into `piece`; it is called for
  // pieces of at most a megabyte that begin at multiples of one, from all threads, and no more after this returns.
  void copy(std::size_t size, const std::function<void(std::size_t at, std::span<std::byte> piece)>& fill,
            void* to);
  void copy(std::span<const std::byte> from, void* to);

 private:
  static constexpr std::size_t kPiece = std::size_t{32} << 20;
  struct Slot {
    std::byte* pinned = nullptr;
    cudaEvent_t sent = nullptr;
  };

  ThreadPool& pool_;
  cudaStream_t stream_;
  std::array<Slot, 3> slots_;
  std::size_t next_ = 0;
};

}  // namespace assay
