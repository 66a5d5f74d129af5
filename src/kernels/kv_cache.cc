#include "kernels/kv_cache.h"

#include <cstddef>

#include "base/error.h"
#include "number/float16.h"

namespace assay {

KvCache::KvCache(Index kv_heads, Index head_dim, Index capacity, Dtype dtype)
    : kv_heads_(kv_heads),
      head_dim_(head_dim),
      capacity_(ceil_div(capacity, 16) * 16),
      dtype_(dtype),
      keys_(static_cast<std::size_t>(kv_heads * head_dim * capacity_)),
      values_(keys_.size()) {
  require(head_dim % 16 == 0, "head_dim is a multiple of 16");
}

void KvCache::store(Index position, Index head, const float* k, const float* v) {
  require(position >= 0 && position < capacity_, "the position lies in the cache");
  const auto encode = [this](float x) { return dtype_ == Dtype::fp16 ? to_fp16(x) : to_bf16(x); };
  std::uint16_t* key = keys_.data() + (keys(head, position / 16 * 16) - keys_.data()) + position % 16;
  std::uint16_t* value = values_.data() + (values(head, position) - values_.data());
  for (Index d = 0; d < head_dim_; ++d) {
    key[d * 16] = encode(k[d]);
    value[d / 16 * value_stride() + d % 16] = encode(v[d]);
  }
}

const std::uint16_t* KvCache::keys(Index head, Index position) const {
  return keys_.data() + head * head_dim_ * capacity_ + position * head_dim_;
}

const std::uint16_t* KvCache::values(Index head, Index position) const {
  return values_.data() + head * head_dim_ * capacity_ + position * 16;
}

}  // namespace assay
