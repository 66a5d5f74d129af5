#include "checkpoint/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>

#include "base/json.h"

namespace assay {
namespace {

constexpr std::size_t kMaxHeader = 100'000'000;  // the limit of the reference implementation

// Bytes of one element; nullopt for types of less than a byte and for unknown ones.
std::optional<std::size_t> element_size(std::string_view dtype) {
  static const std::map<std::string_view, std::size_t> sizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},     {"U32", 4},
      {"F32", 4},  {"I64", 8}, {"U64", 8}, {"F64", 8},     {"C64", 8},
  };
  const auto found = sizes.find(dtype);
  if (found == sizes.end()) return std::nullopt;
  return found->second;
}

// The `size` elements of object[key], each at least 0; any number of them without `size`.
Result<std::vector<Index>> read_extents(const Json& object, const std::string& file,
                                        const std::string& tensor, const char* key,
                                        std::optional<std::size_t> size) {
  const Json& array = object[key];
  const auto wrong = [&](const Json& found) {
    const std::string expected = size ? std::to_string(*size) + " byte offsets" : "an array of extents";
    return Error{file, tensor + "." + key, expected, describe(found)};
  };
  if (!array.is_array() || (size && array.size() != *size)) return wrong(array);
  std::vector<Index> extents;
  for (const Json& element : array) {
    if (!element.is_number_unsigned() || !std::in_range<Index>(element.get<std::uint64_t>())) {
      return wrong(element);
    }
    extents.push_back(element.get<Index>());
  }
  return extents;
}

std::optional<std::size_t> checked_product(std::size_t size, std::span<const Index> shape) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::optional<std::size_t> product = size;
  for (Index extent : shape) {
    if (product) product = checked_mul(*product, static_cast<std::size_t>(extent));
  }
  return product;
}

// One entry of the header, its bytes cut from `data`.
Result<Tensor> read_entry(const std::string& name, const Json& entry, const std::string& file,
                          std::span<const std::byte> data) {
  static constexpr std::string_view kKeys[] = {"dtype", "shape", "data_offsets"};
  if (!entry.is_object()) return Error{file, name, "an object", describe(entry)};
  if (auto known = refuse_unknown_keys(entry, file, kKeys); !known) {
    return Error{file, name + "." + known.error().key, known.error().expected, known.error().found};
  }
  for (std::string_view key : kKeys) {
    if (!entry.contains(key)) return Error{file, name + "." + std::string(key), "a value", "nothing"};
  }
  if (!entry["dtype"].is_string()) return Error{file, name + ".dtype", "a string", describe(entry["dtype"])};
  auto shape = read_extents(entry, file, name, "shape", std::nullopt);
  if (!shape) return shape.error();
  auto offsets = read_extents(entry, file, name, "data_offsets", 2);
  if (!offsets) return offsets.error();
  const auto begin = static_cast<std::size_t>((*offsets)[0]);
  const auto end = static_cast<std::size_t>((*offsets)[1]);
  if (!range_fits(begin, end, data.size())) {
    return Error{file, name + ".data_offsets",
                 "a range in the " + std::to_string(data.size()) + " bytes of data",
                 describe_shape(*offsets)};
  }
  Tensor tensor{file, name, entry["dtype"].get<std::string>(), std::move(*shape),
                data.subspan(begin, end - begin)};
  if (const auto size = element_size(tensor.dtype)) {
    const auto bytes = checked_product(*size, tensor.shape);
    if (bytes != tensor.bytes.size()) {
      return Error{file, name,
                   tensor.dtype + " " + describe_shape(tensor.shape) + " = " +
                       (bytes ? std::to_string(*bytes) : "more than 2^64") + " bytes",
                   std::to_string(tensor.bytes.size()) + " bytes"};
    }
  }
  return tensor;
}

// The data of `tensors` must follow one another from the first byte of `data` to the last.
Result<void> check_tiling(std::vector<Tensor>& tensors, std::span<const std::byte> data,
                          const std::string& file) {
  std::sort(tensors.begin(), tensors.end(), [](const Tensor& a, const Tensor& b) {
    return std::tuple(a.bytes.data(), a.bytes.size(), a.name) <
           std::tuple(b.bytes.data(), b.bytes.size(), b.name);
  });
  std::size_t next = 0;
  for (const Tensor& tensor : tensors) {
    const auto begin = static_cast<std::size_t>(tensor.bytes.data() - data.data());
    if (begin != next) {
      return Error{file, tensor.name + ".data_offsets",
                   "data that begins where the data before it ends, at " + std::to_string(next),
                   std::to_string(begin)};
    }
    next = begin + tensor.bytes.size();
  }
  if (next == data.size()) return {};
  return Error{file, "", "tensors that cover the " + std::to_string(data.size()) + " bytes of data",
               "tensors that cover " + std::to_string(next)};
}

Result<std::size_t> read_header_length(std::span<const std::byte> bytes, const std::string& file) {
  if (bytes.size() < 8) {
    return Error{file, "header length", "8 bytes", std::to_string(bytes.size()) + " bytes"};
  }
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 8; ++i) length |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  const std::size_t limit = std::min(bytes.size() - 8, kMaxHeader);
  if (length < 2 || length > limit) {
    return Error{file, "header length", "2 to " + std::to_string(limit) + " bytes", std::to_string(length)};
  }
  return static_cast<std::size_t>(length);
}

}  // namespace

std::optional<Dtype> stored_type(const Tensor& tensor) {
  if (tensor.dtype == "F16") return Dtype::fp16;
  if (tensor.dtype == "BF16") return Dtype::bf16;
  if (tensor.dtype == "F32") return Dtype::fp32;
  if (tensor.dtype == "I32") return Dtype::int32;
  return std::nullopt;
}

std::string describe_shape(std::span<const Index> shape) {
  std::string text;
  for (Index extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + text + "]";
}

std::size_t size_in_bytes(const TensorEntry& entry) {
  const auto element = element_size(entry.dtype);
  const auto size = element ? checked_product(*element, entry.shape) : std::nullopt;
  require(size.has_value(), "a tensor that is written has a known type and a size");
  return *size;
}

std::string safetensors_header(std::span<const TensorEntry> entries) {
  Json header = Json::object();
  std::size_t begin = 0;
  for (const TensorEntry& entry : entries) {
    const std::size_t end = begin + size_in_bytes(entry);
    header[entry.name] = {{"dtype", entry.dtype}, {"shape", entry.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  return length + text;
}

Result<std::vector<Tensor>> parse_safetensors(std::span<const std::byte> bytes, const std::string& file) {
  const auto length = read_header_length(bytes, file);
  if (!length) return length.error();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, *length);
  const auto header = parse_json(text, file);
  if (!header) return header.error();
  if (!header->is_object()) return Error{file, "header", "a JSON object", describe(*header)};
  const auto data = bytes.subspan(8 + *length);
  std::vector<Tensor> tensors;
  for (const auto& [name, entry] : header->items()) {
    if (name == "__metadata__") continue;
    auto tensor = read_entry(name, entry, file, data);
    if (!tensor) return tensor.error();
    tensors.push_back(std::move(*tensor));
  }
  if (auto tiled = check_tiling(tensors, data, file); !tiled) return tiled.error();
  return tensors;
}

}  // namespace assay
