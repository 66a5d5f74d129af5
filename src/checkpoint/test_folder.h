// For tests: a safetensors writer, and packers that follow the formats' descriptions one
// value at a time.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/index.h"
#include "base/json.h"
#include "base/test_folder.h"

namespace assay::testing {

// Header length, header, data.
inline std::string safetensors_text(std::string_view header, std::string_view data) {
  std::string text(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) text[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);
  return text + std::string(header) + std::string(data);
}

struct WrittenTensor {
  std::string name;
  std::string dtype;
  std::vector<Index> shape;
  std::string data;
};

template <class T>
WrittenTensor written(std::string name, std::string dtype, std::vector<Index> shape,
                      const std::vector<T>& values) {
  std::string data(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(data.data(), values.data(), data.size());
  return {std::move(name), std::move(dtype), std::move(shape), std::move(data)};
}

// Element count times FP16 1.0.
inline WrittenTensor ones(std::string name, std::vector<Index> shape) {
  Index count = 1;
  for (Index extent : shape) count *= extent;
  return written(std::move(name), "F16", std::move(shape),
                 std::vector<std::uint16_t>(static_cast<std::size_t>(count), 0x3c00));
}

inline std::string safetensors_file(const std::vector<WrittenTensor>& tensors) {
  Json header = Json::object();
  std::string data;
  for (const WrittenTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {data.size(), data.size() + tensor.data.size()}}};
    data += tensor.data;
  }
  return safetensors_text(header.dump(), data);
}

// The integers of a quantized linear layer, in plain arrays.
struct PlainMatrix {
  Index rows = 0;
  Index columns = 0;
  Index groups = 0;
  int bits = 4;
  std::vector<int> q;                 // [rows, columns]
  std::vector<int> stored_zeros;      // [groups, columns], as stored
  std::vector<std::uint16_t> scales;  // [groups, columns], FP16
  std::vector<std::int32_t> g_idx;    // [rows]; empty: none is written
};

inline std::vector<std::int32_t> as_signed(const std::vector<std::uint32_t>& words) {
  std::vector<std::int32_t> result(words.size());
  std::memcpy(result.data(), words.data(), words.size() * sizeof(std::uint32_t));
  return result;
}

// AutoAWQ: column c of a group of eight is nibble {0, 4, 1, 5, 2, 6, 3, 7}[c].
inline std::vector<std::int32_t> pack_awq(const std::vector<int>& values, Index height, Index width) {
  static constexpr int kPlace[] = {0, 4, 1, 5, 2, 6, 3, 7};
  std::vector<std::uint32_t> words(static_cast<std::size_t>(height * width / 8));
  for (Index r = 0; r < height; ++r) {
    for (Index c = 0; c < width; ++c) {
      const auto value = static_cast<std::uint32_t>(values[static_cast<std::size_t>(r * width + c)]);
      words[static_cast<std::size_t>(r * (width / 8) + c / 8)] |= value << (4 * kPlace[c % 8]);
    }
  }
  return as_signed(words);
}

inline std::vector<std::int32_t> pack_along_columns(const std::vector<int>& values, Index height, Index width,
                                                    int bits) {
  const Index fields = 32 / bits;
  std::vector<std::uint32_t> words(static_cast<std::size_t>(height * width / fields));
  for (Index r = 0; r < height; ++r) {
    for (Index c = 0; c < width; ++c) {
      const auto value = static_cast<std::uint32_t>(values[static_cast<std::size_t>(r * width + c)]);
      words[static_cast<std::size_t>(r * (width / fields) + c / fields)] |= value << (bits * (c % fields));
    }
  }
  return as_signed(words);
}

inline std::vector<std::int32_t> pack_along_rows(const std::vector<int>& values, Index height, Index width,
                                                 int bits) {
  const Index fields = 32 / bits;
  std::vector<std::uint32_t> words(static_cast<std::size_t>(height * width / fields));
  for (Index r = 0; r < height; ++r) {
    for (Index c = 0; c < width; ++c) {
      const auto value = static_cast<std::uint32_t>(values[static_cast<std::size_t>(r * width + c)]);
      words[static_cast<std::size_t>(r / fields * width + c)] |= value << (bits * (r % fields));
    }
  }
  return as_signed(words);
}

inline std::vector<WrittenTensor> written_awq(const std::string& name, const PlainMatrix& m) {
  return {written(name + ".qweight", "I32", {m.rows, m.columns / 8}, pack_awq(m.q, m.rows, m.columns)),
          written(name + ".qzeros", "I32", {m.groups, m.columns / 8},
                  pack_awq(m.stored_zeros, m.groups, m.columns)),
          written(name + ".scales", "F16", {m.groups, m.columns}, m.scales)};
}

inline std::vector<WrittenTensor> written_gptq(const std::string& name, const PlainMatrix& m) {
  const Index fields = 32 / m.bits;
  std::vector<WrittenTensor> tensors = {
      written(name + ".qweight", "I32", {m.rows / fields, m.columns},
              pack_along_rows(m.q, m.rows, m.columns, m.bits)),
      written(name + ".qzeros", "I32", {m.groups, m.columns / fields},
              pack_along_columns(m.stored_zeros, m.groups, m.columns, m.bits)),
      written(name + ".scales", "F16", {m.groups, m.columns}, m.scales)};
  if (!m.g_idx.empty()) tensors.push_back(written(name + ".g_idx", "I32", {m.rows}, m.g_idx));
  return tensors;
}

}  // namespace assay::testing
