#include "kernels/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace assay {
namespace {

constexpr Index kRows = 48;  // query rows of a task; groups outputs only

// One task: up to kRows query rows of one head.
class RowBlock {
 public:
  RowBlock(const Compute& compute, const KvCache& cache, Index kv_head, const float* q, Index q_stride,
           Index rows, Index first_position)
      : compute_(compute),
        cache_(cache),
        kv_head_(kv_head),
        q_(q),
        q_stride_(q_stride),
        rows_(rows),
        first_position_(first_position),
        scale_(1.0F / std::sqrt(static_cast<float>(cache.head_dim()))),
        sums_(static_cast<std::size_t>(rows * cache.head_dim())) {
    max_.fill(-std::numeric_limits<float>::infinity());
  }

  void run(float* out, Index out_stride) {
    for (Index start = 0; start < first_position_ + rows_; start += kAttentionTile) visit_tile(start);
    const Index d = cache_.head_dim();
    for (Index r = 0; r < rows_; ++r) {
      compute_.ops.normalize(sums_.data() + r * d, d, lanes_[static_cast<std::size_t>(r)].data(),
                             out + r * out_stride);
    }
  }

 private:
  // Keys of the tile that row r sees.
  Index visible(Index r, Index start) const {
    return std::clamp(first_position_ + r + 1 - start, Index{0}, kAttentionTile);
  }

  void visit_tile(Index start) {
    // Rows before `first` see nothing of the tile; from `whole` on they see all of it.
    const Index first = std::clamp(start - first_position_, Index{0}, rows_);
    const Index whole = std::clamp(start + kAttentionTile - 1 - first_position_, first, rows_);
    score(start, first);
    for (Index r = first; r < rows_; ++r) rescale(r, visible(r, start));
    for (Index r = first; r < whole; ++r) add_values(start, r, 1, visible(r, start));
    if (whole < rows_) add_values(start, whole, rows_ - whole, kAttentionTile);
  }

  void score(Index start, Index first) {
    const Index keys = std::min(kAttentionTile, first_position_ + rows_ - start);
    compute_.ops.chain(compute_.family(), cache_.dtype(),
                       {.a = q_ + first * q_stride_,
                        .a_stride = q_stride_,
                        .rows = rows_ - first,
                        .panels = cache_.keys(kv_head_, start),
                        .panel_stride = cache_.key_stride(),
                        .columns = keys,
                        .walk = {.run = cache_.head_dim()},
                        .c = scores_.data() + first * kAttentionTile,
                        .c_stride = kAttentionTile,
                        .accumulate = false});
  }

  void rescale(Index r, Index keys) {
    const auto row = static_cast<std::size_t>(r);
    const float a = compute_.ops.softmax_tile(scores_.data() + r * kAttentionTile, keys, scale_, &max_[row],
                                              lanes_[row].data());
    compute_.ops.scale(sums_.data() + r * cache_.head_dim(), cache_.head_dim(), a);
  }

  void add_values(Index start, Index first, Index rows, Index keys) {
    compute_.ops.chain(compute_.family(), cache_.dtype(),
                       {.a = scores_.data() + first * kAttentionTile,
                        .a_stride = kAttentionTile,
                        .rows = rows,
                        .panels = cache_.values(kv_head_, start),
                        .panel_stride = cache_.value_stride(),
                        .columns = cache_.head_dim(),
                        .walk = {.run = keys},
                        .c = sums_.data() + first * cache_.head_dim(),
                        .c_stride = cache_.head_dim(),
                        .accumulate = true});
  }

  const Compute& compute_;
  const KvCache& cache_;
  Index kv_head_;
  const float* q_;
  Index q_stride_;
  Index rows_;
  Index first_position_;
  float scale_;
  std::vector<float> sums_;  // [rows, D]
  alignas(64) std::array<float, kRows * kAttentionTile> scores_;
  std::array<float, kRows> max_;
  std::array<std::array<float, kSoftmaxLanes>, kRows> lanes_ = {};
};

}  // namespace

void attention(const Compute& compute, const float* q, Index q_stride, Index rows, Index first_position,
               Index heads, const KvCache& cache, float* out) {
  const Index d = cache.head_dim();
  const Index blocks = ceil_div(rows, kRows);
  compute.pool.parallel_for(blocks * heads, [&](Index task) {
    const Index head = task % heads;
    const Index row = (blocks - 1 - task / heads) * kRows;  // the longest rows first
    RowBlock block(compute, cache, head * cache.kv_heads() / heads, q + row * q_stride + head * d, q_stride,
                   std::min(kRows, rows - row), first_position + row);
    block.run(out + row * heads * d + head * d, heads * d);
  });
}

}  // namespace assay
