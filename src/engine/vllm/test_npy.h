// Tables as NumPy writes them, for tests.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

namespace assay {

inline std::string npy_header(const std::string& dictionary, char version = 1) {
  std::string header = dictionary;
  const std::size_t before = version == 1 ? 10 : 12;
  header.append(63 - (before + header.size()) % 64, ' ');
  header += '\n';
  std::string bytes = std::string("\x93NUMPY", 6) + version + '\0';
  for (std::size_t byte = 0; byte < before - 8; ++byte)
    bytes += static_cast<char>(header.size() >> 8 * byte & 255);
  return bytes + header;
}

// `values` row after row.
inline std::string npy_of(std::size_t rows, std::size_t columns, const std::vector<float>& values,
                          char version = 1) {
  const std::string header = npy_header(
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, columns), version);
  return header + std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

}  // namespace assay
