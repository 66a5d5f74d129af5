#include "checkpoint/quantized_matrix.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "number/float16.h"

namespace assay {
namespace {

// AutoAWQ's GEMM layout: nibble i of a word, lowest first, belongs to column 8j + kAwqOrder[i].
constexpr std::array<Index, 8> kAwqOrder = {0, 2, 4, 6, 1, 3, 5, 7};

std::uint32_t load_word(std::span<const std::byte> words, std::size_t w) {
  std::uint32_t word = 0;
  std::memcpy(&word, words.data() + w * sizeof word, sizeof word);
  return word;
}

std::uint8_t field(std::uint32_t word, int bits, Index i) {
  return static_cast<std::uint8_t>(word >> (bits * static_cast<int>(i)) & ((1U << bits) - 1U));
}

// What one linear layer's tensors must look like.
struct Packing {
  const Quantization& quantization;
  const std::string& name;
  Index rows;
  Index columns;
  Index groups;
  Index fields;  // values in one int32
};

Result<Packing> plan(const Weights& weights, const Quantization& quantization, const std::string& name,
                     Index rows, Index columns) {
  const std::string key = name + ".qweight";
  const auto tensor = weights.find(key);
  if (!tensor) return tensor.error();
  const Index fields = 32 / quantization.bits;
  const Index group = quantization.group_size.value_or(rows);
  if (rows % group != 0 || rows % 8 != 0) {
    return Error{(*tensor)->file, key,
                 "inputs that are a multiple of 8 and of the group size " + std::to_string(group),
                 std::to_string(rows)};
  }
  if (columns % fields != 0) {
    return Error{(*tensor)->file, key, "outputs that are a multiple of " + std::to_string(fields),
                 std::to_string(columns)};
  }
  return Packing{quantization, name, rows, columns, rows / group, fields};
}

// Words [height, width/fields], packed along the row, to values [height, width].
void unpack_row_words(std::span<const std::byte> words, Index width, int bits, bool awq_order,
                      std::vector<std::uint8_t>& values) {
  const Index fields = 32 / bits;
  const std::size_t count = words.size() / sizeof(std::int32_t);
  values.resize(count * static_cast<std::size_t>(fields));
  for (std::size_t w = 0; w < count; ++w) {
    const std::uint32_t word = load_word(words, w);
    // width is a multiple of fields: the words of one row follow those of the row before
    for (Index i = 0; i < fields; ++i) {
      const Index column = awq_order ? kAwqOrder[static_cast<std::size_t>(i)] : i;
      values[w * static_cast<std::size_t>(fields) + static_cast<std::size_t>(column)] = field(word, bits, i);
    }
  }
  require(values.size() % static_cast<std::size_t>(width) == 0, "whole rows were unpacked");
}

// Words [height/fields, width], packed along the column, to values [height, width].
void unpack_column_words(std::span<const std::byte> words, Index width, int bits,
                         std::vector<std::uint8_t>& values) {
  const auto fields = static_cast<std::size_t>(32 / bits);
  const auto stride = static_cast<std::size_t>(width);
  const std::size_t count = words.size() / sizeof(std::int32_t);
  values.resize(count * fields);
  for (std::size_t w = 0; w < count; ++w) {
    const std::uint32_t word = load_word(words, w);
    const std::size_t first = w / stride * fields * stride + w % stride;
    for (std::size_t i = 0; i < fields; ++i) {
      values[first + i * stride] = field(word, bits, static_cast<Index>(i));
    }
  }
}

Result<std::span<const std::byte>> view_q(const Weights& weights, const Packing& packing) {
  const bool awq = packing.quantization.method == QuantizationMethod::awq;
  const std::vector<Index> shape = awq ? std::vector<Index>{packing.rows, packing.columns / packing.fields}
                                       : std::vector<Index>{packing.rows / packing.fields, packing.columns};
  return weights.view_int32(packing.name + ".qweight", shape);
}

Result<void> read_zeros(const Weights& weights, const Packing& packing, QuantizedMatrix& matrix) {
  const Quantization& quantization = packing.quantization;
  const bool awq = quantization.method == QuantizationMethod::awq;
  const std::string key = packing.name + ".qzeros";
  const auto words = weights.view_int32(key, {packing.groups, packing.columns / packing.fields});
  if (!words) return words.error();
  std::vector<std::uint8_t> stored;
  unpack_row_words(*words, packing.columns, matrix.bits, awq, stored);
  const int offset = !awq && quantization.version == GptqVersion::v1 ? 1 : 0;
  matrix.zeros.resize(stored.size());
  std::transform(stored.begin(), stored.end(), matrix.zeros.begin(),
                 [offset](std::uint8_t zero) { return static_cast<std::int16_t>(zero + offset); });
  if (!quantization.symmetric) return {};
  const int middle = 1 << (matrix.bits - 1);
  const auto other =
      std::find_if(matrix.zeros.begin(), matrix.zeros.end(), [middle](int zero) { return zero != middle; });
  if (other == matrix.zeros.end()) return {};
  const Index at = other - matrix.zeros.begin();
  return Error{matrix.file, key + describe_shape(std::array{at / packing.columns, at % packing.columns}),
               "zero point " + std::to_string(middle) + " (the quantization is symmetric)",
               std::to_string(*other)};
}

Result<void> read_groups(const Weights& weights, const Packing& packing, QuantizedMatrix& matrix) {
  const Index group = packing.rows / packing.groups;
  matrix.group_of_row.resize(static_cast<std::size_t>(packing.rows));
  for (Index k = 0; k < packing.rows; ++k) {
    matrix.group_of_row[static_cast<std::size_t>(k)] = static_cast<std::int32_t>(k / group);
  }
  const std::string key = packing.name + ".g_idx";
  const bool desc_act = packing.quantization.desc_act;
  if (packing.quantization.method == QuantizationMethod::awq) return {};
  if (!desc_act && !weights.has(key)) return {};
  auto stored = weights.read_int32(key, {packing.rows});
  if (!stored) return stored.error();
  std::vector<Index> members(static_cast<std::size_t>(packing.groups));
  for (std::size_t k = 0; k < stored->size(); ++k) {
    const std::int32_t g = (*stored)[k];
    const std::string element = key + "[" + std::to_string(k) + "]";
    if (g < 0 || g >= packing.groups) {
      return Error{matrix.file, element, "a group below " + std::to_string(packing.groups),
                   std::to_string(g)};
    }
    if (!desc_act && g != matrix.group_of_row[k]) {
      return Error{matrix.file, element,
                   "group " + std::to_string(matrix.group_of_row[k]) + " (desc_act is false)",
                   std::to_string(g)};
    }
    if (++members[static_cast<std::size_t>(g)] > group) {
      return Error{matrix.file, element, std::to_string(group) + " inputs in each group",
                   "one more in group " + std::to_string(g)};
    }
  }
  matrix.group_of_row = std::move(*stored);
  return {};
}

// A layer with the words that its q are packed in; matrix.q is empty.
struct Layer {
  QuantizedMatrix matrix;
  std::span<const std::byte> words;
};

Result<Layer> read_layer(const Weights& weights, const Quantization& quantization, const std::string& name,
                         Index rows, Index columns) {
  require(rows > 0 && columns > 0, "a linear layer has inputs and outputs");
  const auto packing = plan(weights, quantization, name, rows, columns);
  if (!packing) return packing.error();
  QuantizedMatrix matrix;
  matrix.name = name;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.groups = packing->groups;
  matrix.bits = quantization.bits;
  matrix.file = (*weights.find(name + ".qweight"))->file;
  const auto words = view_q(weights, *packing);
  if (!words) return words.error();
  if (auto zeros = read_zeros(weights, *packing, matrix); !zeros) return zeros.error();
  if (auto groups = read_groups(weights, *packing, matrix); !groups) return groups.error();
  auto scales = weights.read_fp32(name + ".scales", {packing->groups, columns});
  if (!scales) return scales.error();
  matrix.scales = std::move(*scales);
  return Layer{std::move(matrix), *words};
}

}  // namespace

Result<QuantizedMatrix> read_quantized(const Weights& weights, const Quantization& quantization,
                                       const std::string& name, Index rows, Index columns) {
  auto layer = read_layer(weights, quantization, name, rows, columns);
  if (!layer) return layer.error();
  QuantizedMatrix& matrix = layer->matrix;
  if (quantization.method == QuantizationMethod::awq) {
    unpack_row_words(layer->words, columns, matrix.bits, true, matrix.q);
  } else {
    unpack_column_words(layer->words, columns, matrix.bits, matrix.q);
  }
  return std::move(matrix);
}

Result<PackedQuantized> read_packed(const Weights& weights, const Quantization& quantization,
                                    const std::string& name, Index rows, Index columns) {
  auto layer = read_layer(weights, quantization, name, rows, columns);
  if (!layer) return layer.error();
  QuantizedMatrix& matrix = layer->matrix;
  if (matrix.bits != 4) {
    return Error{matrix.file, name + ".qweight", "integers of 4 bits", std::to_string(matrix.bits) + " bits"};
  }
  PackedQuantized packed{.file = std::move(matrix.file),
                         .name = std::move(matrix.name),
                         .rows = rows,
                         .columns = columns,
                         .groups = matrix.groups,
                         .method = quantization.method,
                         .qweight = layer->words,
                         .zeros = std::vector<std::uint8_t>(matrix.zeros.size()),
                         .scales = std::move(matrix.scales),
                         .group_of_row = std::move(matrix.group_of_row)};
  std::transform(matrix.zeros.begin(), matrix.zeros.end(), packed.zeros.begin(),
                 [](std::int16_t zero) { return static_cast<std::uint8_t>(zero); });
  return packed;
}

std::vector<std::int32_t> order_by_group(const std::vector<std::int32_t>& group_of_row) {
  std::vector<std::int32_t> order(group_of_row.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return group_of_row[static_cast<std::size_t>(a)] < group_of_row[static_cast<std::size_t>(b)];
  });
  return order;
}

Result<std::vector<std::uint16_t>> dequantize(const QuantizedMatrix& matrix, Dtype target) {
  require(target == Dtype::fp16 || target == Dtype::bf16, "16-bit values are FP16 or BF16");
  const bool fp16 = target == Dtype::fp16;
  std::vector<float> scales(matrix.scales.size());
  std::transform(matrix.scales.begin(), matrix.scales.end(), scales.begin(),
                 fp16 ? round_to_fp16 : round_to_bf16);
  const auto columns = static_cast<std::size_t>(matrix.columns);
  std::vector<std::uint16_t> values(matrix.q.size());
  for (std::size_t k = 0; k < static_cast<std::size_t>(matrix.rows); ++k) {
    const std::size_t group = static_cast<std::size_t>(matrix.group_of_row[k]) * columns;
    for (std::size_t n = 0; n < columns; ++n) {
      const std::size_t i = k * columns + n;
      // at most 9 bits times 11: exact in FP32, so that the conversion is the only rounding
      const float product = static_cast<float>(matrix.q[i] - matrix.zeros[group + n]) * scales[group + n];
      values[i] = fp16 ? to_fp16(product) : to_bf16(product);
      if (!std::isfinite(fp16 ? from_fp16(values[i]) : from_bf16(values[i]))) {
        const std::array<Index, 2> index = {static_cast<Index>(k), static_cast<Index>(n)};
        return Error{matrix.file, matrix.name + describe_shape(index),
                     "a weight that fits " + std::string(name_of(target)), std::to_string(product)};
      }
    }
  }
  return values;
}

}  // namespace assay
