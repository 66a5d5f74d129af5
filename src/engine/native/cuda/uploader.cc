#include "engine/native/cuda/uploader.h"

#include <algorithm>
#include <cstring>

namespace assay {

Uploader::Uploader(ThreadPool& pool, cudaStream_t stream) : pool_(pool), stream_(stream) {
  for (Slot& slot : slots_) {
    check_cuda(cudaMallocHost(reinterpret_cast<void**>(&slot.pinned), kPiece), "cudaMallocHost");
    check_cuda(cudaEventCreateWithFlags(&slot.sent, cudaEventDisableTiming), "cudaEventCreate");
  }
}

Uploader::~Uploader() {
  cudaStreamSynchronize(stream_);
  for (const Slot& slot : slots_) {
    cudaEventDestroy(slot.sent);
    cudaFreeHost(slot.pinned);
  }
}

void Uploader::copy(std::size_t size, const std::function<void(std::size_t, std::span<std::byte>)>& fill,
                    void* to) {
  constexpr std::size_t kSlice = std::size_t{1} << 20;  // of one thread
  for (std::size_t done = 0; done < size; done += kPiece) {
    Slot& slot = slots_[next_++ % slots_.size()];
    check_cuda(cudaEventSynchronize(slot.sent), "cudaEventSynchronize");
    const std::span piece(slot.pinned, std::min(kPiece, size - done));
    pool_.parallel_for(static_cast<Index>((piece.size() + kSlice - 1) / kSlice), [&](Index i) {
      const std::size_t at = static_cast<std::size_t>(i) * kSlice;
      fill(done + at, piece.subspan(at, std::min(kSlice, piece.size() - at)));
    });
    check_cuda(cudaMemcpyAsync(static_cast<std::byte*>(to) + done, piece.data(), piece.size(),
                               cudaMemcpyHostToDevice, stream_),
               "cudaMemcpyAsync");
    check_cuda(cudaEventRecord(slot.sent, stream_), "cudaEventRecord");
  }
}

void Uploader::copy(std::span<const std::byte> from, void* to) {
  copy(
      from.size(),
      [&](std::size_t at, std::span<std::byte> piece) {
        std::memcpy(piece.data(), from.data() + at, piece.size());
      },
      to);
}

}  // namespace assay
