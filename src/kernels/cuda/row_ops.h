// The ops of kernels/ops.h on device memory: the same definitions, the same bits. All pointers are device
// pointers to row-major arrays; 16-bit elements are bits of `dtype`; columns are
// multiples of 8. Launches only: nothing waits.
#pragma once

#include <cstdint>

#include "base/index.h"
#include "kernels/cuda/gpu.h"
#include "number/dtype.h"

namespace assay {

// Keys and values of one layer: [kv_heads][capacity][head_dim], 16-bit. A position of a sequence lies in a slot.
struct KvLayer {
  std::uint16_t* keys = nullptr;
  std::uint16_t* values = nullptr;
  Index kv_heads = 0;
  Index capacity = 0;
  Index head_dim = 0;
};

// out [rows, hidden] = table[token of the row].
void embed(Dtype dtype, const std::int32_t* tokens, Index rows, Index hidden, const std::uint16_t* table,
           std::uint16_t* out, cudaStream_t stream);

// Ops::rms_norm of every row; x and out may be the same.
void rms_norm(Dtype dtype, const std::uint16_t* x, const std::uint16_t* weight, Index rows, Index n,
              float eps, std::uint16_t* out, cudaStream_t stream);

// residual = RN(update + residual), then out = rms_norm(residual).
void add_rms_norm(Dtype dtype, const std::uint16_t* update, std::uint16_t* residual,
                  const std::uint16_t* weight, Index rows, Index n, float eps, std::uint16_t* out,
                  cudaStream_t stream);

// What rotate_and_store needs beside the activations.
struct Rotation {
  Index heads = 0;
  const std::uint16_t* query_norm = nullptr;  // [D], or null: no norm
  const std::uint16_t* key_norm = nullptr;
  float eps = 0.0F;
  const float* cosine = nullptr;  // [positions, D / 2], values of dtype
  const float* sine = nullptr;
  const std::int32_t* positions = nullptr;  // of each row
  const std::int32_t* slots = nullptr;      // where each row's keys and values go
};

// qkv [rows, (heads + 2 kv_heads) D]: the query and key heads are normalized (Ops::rms_norm over D) and rotated
// (Ops::rope) in place; keys and values are stored in their slots.
void rotate_and_store(Dtype dtype, const Rotation& rotation, std::uint16_t* qkv, Index rows,
                      const KvLayer& kv, cudaStream_t stream);

// gate_up [rows, 2 inner] -> out [rows, inner], Ops::silu_mul.
void silu_mul(Dtype dtype, const std::uint16_t* gate_up, Index rows, Index inner, std::uint16_t* out,
              cudaStream_t stream);

// x [rows, n] = RN(x s), RN(x + b), a number a column.
void scale_columns(Dtype dtype, const std::uint16_t* s, Index rows, Index n, std::uint16_t* x,
                   cudaStream_t stream);
void add_columns(Dtype dtype, const std::uint16_t* b, Index rows, Index n, std::uint16_t* x,
                 cudaStream_t stream);

// out[row, k] = x[row, order[k]].
void gather_columns(const std::uint16_t* x, const std::int32_t* order, Index rows, Index n,
                    std::uint16_t* out, cudaStream_t stream);

}  // namespace assay
