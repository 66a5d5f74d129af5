// kernels/attention.h on device memory: one definition, several kernels. Each has a supports_...; the last one,
// attention_plain, takes everything.
#pragma once

#include <cstdint>

#include "emulator/device.h"
#include "kernels/cuda/row_ops.h"

namespace assay {

struct AttentionCall {
  Dtype dtype = Dtype::fp16;
  const std::uint16_t* q = nullptr;  // [rows, q_stride]: the first heads * D of each row
  Index q_stride = 0;
  Index rows = 0;
  Index heads = 0;
  KvLayer kv;
  std::uint16_t* out = nullptr;  // [rows, heads * D]
};

// Consecutive positions first_position + row, slots equal to positions. Tensor cores of Hopper (wgmma), FP16 and
// BF16, for the arithmetic of Hopper.
bool supports_attention_prefill(const AttentionCall& call);
void attention_prefill(const AttentionCall& call, Index first_position, cudaStream_t stream);

// One row of a decode step, in device memory, so that a captured graph can be replayed for the next token. The keys of
// its positions p <= position lie in slots p for p < shared, and p + shift from there on.
struct DecodeRow {
  std::int32_t position;
  std::int32_t shared;
  std::int32_t shift;
};

// Up to 16 rows, each with its own position, on tensor cores. `workspace` has attention_few_rows_workspace(...) bytes,
// serves one call at a time, and is zeroed before its first use and whenever rows, heads or most_positions change. It may
// begin before the kernel launched before it has ended (programmatic dependent launch): that one must not write
// decode_rows, nor keys and values of positions before a row's own.
// Grids depend on `most_positions` only (rows see at most so many keys).
bool supports_attention_few_rows(const AttentionCall& call);
std::size_t attention_few_rows_workspace(Index rows, Index heads, Index head_dim, Index most_positions);
void attention_few_rows(const AttentionCall& call, const DecodeRow* decode_rows, Index most_positions,
                        std::byte* workspace, cudaStream_t stream);

// Any family, on the CUDA cores (emulated steps, `ieee`, `exact`). Positions as attention_prefill.
void attention_plain(const AttentionCall& call, Family family, Index first_position, cudaStream_t stream);

}  // namespace assay
