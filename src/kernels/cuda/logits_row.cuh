// A row of logits, read eight columns at a time whatever its alignment.
#pragma once

#include <cstdint>

#include "base/index.h"
#include "kernels/cuda/vector8.cuh"

namespace assay {

template <class T>
class LogitsRow {
 public:
  static constexpr std::uint16_t kLowest = T::kDtype == Dtype::fp16 ? 0xfc00 : 0xff80;  // -infinity

  __device__ __forceinline__ LogitsRow(const std::uint16_t* logits, Index row, int columns)
      : data_(logits + row * columns), columns_(columns) {
    aligned_ = columns % 8 == 0 && reinterpret_cast<std::uintptr_t>(logits) % 16 == 0;
  }

  __device__ __forceinline__ int columns() const { return columns_; }
  __device__ __forceinline__ int chunks() const { return (columns_ + 7) / 8; }
  __device__ __forceinline__ std::uint16_t operator[](int column) const { return data_[column]; }

  // Columns 8 c to 8 c + 7; -infinity beyond the row.
  __device__ __forceinline__ uint4 chunk(int c) const {
    if (aligned_) return __ldg(reinterpret_cast<const uint4*>(data_) + c);
    std::uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      words[i] = column_or_lowest(8 * c + 2 * i) |
                 static_cast<std::uint32_t>(column_or_lowest(8 * c + 2 * i + 1)) << 16;
    }
    return make_uint4(words[0], words[1], words[2], words[3]);
  }

  __device__ __forceinline__ std::uint16_t column_or_lowest(int column) const {
    return column < columns_ ? data_[column] : kLowest;
  }

 private:
  const std::uint16_t* data_;
  int columns_;
  bool aligned_;
};

template <class T>
__device__ __forceinline__ typename T::Pair as_pair(std::uint32_t bits) {
  return *reinterpret_cast<const typename T::Pair*>(&bits);
}

// The larger of each half over the words of a chunk. NaN loses against numbers.
template <class T>
__device__ __forceinline__ typename T::Pair largest_pair(uint4 chunk) {
  return __hmax2(__hmax2(as_pair<T>(chunk.x), as_pair<T>(chunk.y)),
                 __hmax2(as_pair<T>(chunk.z), as_pair<T>(chunk.w)));
}

template <class T>
__device__ __forceinline__ float larger_half(typename T::Pair pair) {
  const float2 halves = T::decode_pair(*reinterpret_cast<const std::uint32_t*>(&pair));
  return fmaxf(halves.x, halves.y);
}

}  // namespace assay
