// The safetensors container (https://huggingface.co/docs/safetensors): 8 bytes of header length, a JSON
// header, then the data of all tensors back to back.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/index.h"
#include "number/dtype.h"

namespace assay {

// One named array in row-major order. `bytes` points into the file, at any alignment, and lives as long as
// it.
struct Tensor {
  std::string file;
  std::string name;
  std::string dtype;  // as the file spells it: "F16", "BF16", "F32", "I32", or one that is not read here
  std::vector<Index> shape;
  std::span<const std::byte> bytes;
};

// The type that values of this dtype are read as: nullopt for all but F16, BF16, F32 and I32.
std::optional<Dtype> stored_type(const Tensor& tensor);

// "[2, 3]"
std::string describe_shape(std::span<const Index> shape);

// What a file says of a tensor. dtype: "F16", "BF16", "F32" or "I32".
struct TensorEntry {
  std::string name;
  std::string dtype;
  std::vector<Index> shape;
};

std::size_t size_in_bytes(const TensorEntry& entry);

// The beginning of a file of these tensors, up to the data: a multiple of 8 bytes. The data follow one
// another in this order.
std::string safetensors_header(std::span<const TensorEntry> entries);

// All tensors of the file `bytes`, in the order of the data. Error: a header that is cut, too long, not JSON
// or has unknown fields; a tensor outside the data; a size that is not dtype times shape; data that overlaps,
// or that no tensor owns.
Result<std::vector<Tensor>> parse_safetensors(std::span<const std::byte> bytes, const std::string& file);

}  // namespace assay
