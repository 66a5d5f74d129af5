#include "engine/vllm/npy_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>

namespace assay {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic("\x93NUMPY", 6);

Error npy_error(const char* key, std::string expected, std::string_view found) {
  constexpr std::size_t kMostShown = 64;
  std::string shown;
  for (const char c : found.substr(0, kMostShown)) shown += c >= ' ' && c <= '~' ? c : '?';
  return {"", fmt::format("npy {}", key), std::move(expected), std::move(shown)};
}

std::size_t little_endian(std::string_view bytes) {
  std::size_t number = 0;
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
    number = number << 8 | static_cast<unsigned char>(*byte);
  }
  return number;
}

// Takes the header's text off `bytes`.
Result<std::string_view> take_header(std::string_view& bytes) {
  if (!bytes.starts_with(kMagic)) return npy_error("magic", "\\x93NUMPY", bytes.substr(0, kMagic.size()));
  bytes.remove_prefix(kMagic.size());
  if (bytes.size() < 2) return npy_error("version", "1 to 3", "the end");
  const int version = static_cast<unsigned char>(bytes[0]);
  if (version < 1 || version > 3) return npy_error("version", "1 to 3", std::to_string(version));
  bytes.remove_prefix(2);
  const std::size_t width = version == 1 ? 2 : 4;
  const std::size_t length = bytes.size() < width ? 0 : little_endian(bytes.substr(0, width));
  if (length == 0 || bytes.size() - width < length)
    return npy_error("header", "its length of bytes", "the end");
  const std::string_view header = bytes.substr(width, length);
  bytes.remove_prefix(width + length);
  return header;
}

// What stands between `before` and the next `after`, which are taken off; none: they are not there.
std::optional<std::string_view> take_between(std::string_view& text, std::string_view before,
                                             std::string_view after) {
  if (!text.starts_with(before)) return std::nullopt;
  const std::size_t end = text.find(after, before.size());
  if (end == text.npos) return std::nullopt;
  const std::string_view between = text.substr(before.size(), end - before.size());
  text.remove_prefix(end + after.size());
  return between;
}

struct Shape {
  std::size_t rows = 0;
  std::size_t columns = 0;
};

// "7, 2"
std::optional<Shape> shape_in(std::string_view text) {
  Shape shape;
  const char* const end = text.data() + text.size();
  const auto [comma, first] = std::from_chars(text.data(), end, shape.rows);
  if (first != std::errc() || !std::string_view(comma, end).starts_with(", ")) return std::nullopt;
  const auto [rest, second] = std::from_chars(comma + 2, end, shape.columns);
  if (second != std::errc() || rest != end) return std::nullopt;
  return shape;
}

// {'descr': '<f4', 'fortran_order': False, 'shape': (7, 2), }, padded with spaces and a line end.
Result<Shape> read_header(std::string_view header) {
  std::string_view rest = header;
  const auto type = take_between(rest, "{'descr': '", "', ");
  if (!type) return npy_error("header", "'descr' first", header);
  if (*type != "<f4") return npy_error("descr", "<f4", *type);
  const auto order = take_between(rest, "'fortran_order': ", ", ");
  if (!order) return npy_error("header", "'fortran_order' second", header);
  if (*order != "False") return npy_error("fortran_order", "False", *order);
  const auto sizes = take_between(rest, "'shape': (", "), }");
  if (!sizes) return npy_error("header", "'shape' last", header);
  if (rest.find_first_not_of(" \n") != rest.npos) return npy_error("header", "nothing behind it", rest);
  const auto shape = shape_in(*sizes);
  if (!shape) return npy_error("shape", "two sizes", *sizes);
  return *shape;
}

}  // namespace

Result<NpyTable> read_npy(std::string_view bytes) {
  const auto header = take_header(bytes);
  if (!header) return header.error();
  const auto shape = read_header(*header);
  if (!shape) return shape.error();
  const auto count = checked_mul(shape->rows, shape->columns);
  const auto size = count ? checked_mul(*count, sizeof(float)) : std::nullopt;
  if (size != bytes.size()) {
    return npy_error("values", fmt::format("{} x {} float32", shape->rows, shape->columns),
                     fmt::format("{} bytes", bytes.size()));
  }
  // A size beside a size of 0 may be any number.
  if (*count == 0) return npy_error("shape", "sizes of 1 at least", "0");
  NpyTable table{static_cast<Index>(shape->rows), static_cast<Index>(shape->columns),
                 std::vector<float>(*count)};
  std::memcpy(table.values.data(), bytes.data(), bytes.size());
  return table;
}

}  // namespace assay
