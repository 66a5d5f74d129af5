// A linear layer of an AWQ or GPTQ checkpoint: the integers, and the 16-bit values that they stand for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "checkpoint/quantization.h"
#include "checkpoint/weights.h"
#include "number/dtype.h"

namespace assay {

// W [K inputs, N outputs] with w[k, n] = (q[k, n] - zeros[g, n]) * scales[g, n], g = group_of_row[k].
struct QuantizedMatrix {
  std::string file;
  std::string name;   // "model.layers.0.mlp.up_proj"
  Index rows = 0;     // K
  Index columns = 0;  // N
  Index groups = 0;   // G
  int bits = 4;
  std::vector<std::uint8_t> q;             // [K, N], below 2^bits
  std::vector<std::int16_t> zeros;         // [G, N], 0 to 2^bits: what a version 1 file stores, plus one
  std::vector<float> scales;               // [G, N], the exact values of the file, finite
  std::vector<std::int32_t> group_of_row;  // [K], each group equally often
};

// Reads `name`.qweight, .qzeros, .scales and, for GPTQ, .g_idx (which may be missing without desc_act).
// Error: a shape that does not follow from K, N and the configuration, a K or N that does not pack, a g_idx
// out of range, of uneven groups, or permuted without desc_act; zero points that belie `symmetric`; a scale
// that is not finite.
//
// Where readers of version 1 files disagree, on a stored zero point of 2^bits - 1, this is vLLM's: 2^bits.
Result<QuantizedMatrix> read_quantized(const Weights& weights, const Quantization& quantization,
                                       const std::string& name, Index rows, Index columns);

// QuantizedMatrix of 4 bits, q packed as the file has it.
struct PackedQuantized {
  std::string file;
  std::string name;
  Index rows = 0;     // K
  Index columns = 0;  // N
  Index groups = 0;   // G
  QuantizationMethod method = QuantizationMethod::awq;
  // int32 words of eight q, lowest bits first. AWQ [K, N/8]: columns 8j + (0, 2, 4, 6, 1, 3, 5, 7). GPTQ
  // [K/8, N]: rows 8j + (0, 1, ..., 7). In the file: at any alignment, valid as long as the Weights.
  std::span<const std::byte> qweight;
  std::vector<std::uint8_t> zeros;         // [G, N], 0 to 16
  std::vector<float> scales;               // [G, N]
  std::vector<std::int32_t> group_of_row;  // [K]
};

// Errors: those of read_quantized, and another number of bits than 4.
Result<PackedQuantized> read_packed(const Weights& weights, const Quantization& quantization,
                                    const std::string& name, Index rows, Index columns);

// The rows by their groups, stable: [i] is the row that comes i-th.
std::vector<std::int32_t> order_by_group(const std::vector<std::int32_t>& group_of_row);

// Bits of w [K, N] in `target` (FP16 or BF16): the scale is rounded to `target` first, as vLLM loads it; the
// difference is exact; the product is rounded once to nearest even. (reference: vLLM's AWQ and Marlin
// kernels.) Error: a product that overflows `target`.
Result<std::vector<std::uint16_t>> dequantize(const QuantizedMatrix& matrix, Dtype target);

}  // namespace assay
