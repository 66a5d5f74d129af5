// Keys and values of one layer, in the panels that the chain kernels read.
#pragma once

#include <cstdint>
#include <vector>

#include "base/index.h"
#include "number/dtype.h"

namespace assay {

// Per kv head: K as [D, positions] and V as [positions, D] matrices in panels of 16 columns, 16-bit.
class KvCache {
 public:
  // head_dim is a multiple of 16 (Fault). All positions start as zeros.
  KvCache(Index kv_heads, Index head_dim, Index capacity, Dtype dtype);

  Index capacity() const { return capacity_; }
  Index kv_heads() const { return kv_heads_; }
  Index head_dim() const { return head_dim_; }
  Dtype dtype() const { return dtype_; }

  // `k` and `v` hold head_dim values representable in dtype. Different positions may be stored from different
  // threads.
  void store(Index position, Index head, const float* k, const float* v);

  // Panel of keys position .. position + 15 (a multiple of 16) as [D][16]; the next panel follows at
  // key_stride().
  const std::uint16_t* keys(Index head, Index position) const;
  Index key_stride() const { return head_dim_ * 16; }

  // Values from `position` on, as [positions][16] for the first 16 of D; the next 16 follow at
  // value_stride().
  const std::uint16_t* values(Index head, Index position) const;
  Index value_stride() const { return capacity_ * 16; }

 private:
  Index kv_heads_;
  Index head_dim_;
  Index capacity_;  // a multiple of 16
  Dtype dtype_;
  std::vector<std::uint16_t> keys_;
  std::vector<std::uint16_t> values_;
};

}  // namespace assay
