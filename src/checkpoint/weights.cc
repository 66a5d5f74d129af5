#include "checkpoint/weights.h"

#include <cmath>
#include <cstring>

#include "checkpoint/shards.h"
#include "number/float16.h"

namespace assay {
namespace {

// "name[2, 3]" for the element at `offset` of the row-major array.
std::string element_name(const Tensor& tensor, std::size_t offset) {
  std::vector<Index> index(tensor.shape.size());
  for (std::size_t d = index.size(); d-- > 0;) {
    const auto extent = static_cast<std::size_t>(tensor.shape[d]);
    index[d] = static_cast<Index>(offset % extent);
    offset /= extent;
  }
  return tensor.name + describe_shape(index);
}

template <class T>
T load(std::span<const std::byte> bytes, std::size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

// Calls convert(i, value) for the elements [first, first + count), i counted from `first`; `convert` returns
// whether its result is finite.
template <class Convert>
Result<void> for_each_value(const Tensor& tensor, Dtype stored, std::size_t first, std::size_t count,
                            const std::string& expected, Convert convert) {
  const auto visit = [&](auto decode) -> Result<void> {
    for (std::size_t i = 0; i < count; ++i) {
      const float value = decode(first + i);
      if (!std::isfinite(value) || !convert(i, value)) {
        return Error{tensor.file, element_name(tensor, first + i), expected, std::to_string(value)};
      }
    }
    return {};
  };
  const auto bytes = tensor.bytes;
  switch (stored) {
    case Dtype::fp16:
      return visit([bytes](std::size_t i) { return from_fp16(load<std::uint16_t>(bytes, i)); });
    case Dtype::bf16:
      return visit([bytes](std::size_t i) { return from_bf16(load<std::uint16_t>(bytes, i)); });
    case Dtype::fp32:
      return visit([bytes](std::size_t i) { return load<float>(bytes, i); });
    case Dtype::int32:
      break;
  }
  throw Fault("for_each_value reads floating-point tensors");
}

// Whether no exponent of the 16-bit values in `bytes` is all ones: one pass that the compiler vectorizes.
bool all_finite(std::span<const std::byte> bytes, Dtype type) {
  const int exponent = type == Dtype::fp16 ? 0x7c00 : 0x7f80;
  int bad = 0;
  for (std::size_t i = 0; i < bytes.size() / 2; ++i) {
    bad |= static_cast<int>((load<std::uint16_t>(bytes, i) & exponent) == exponent);
  }
  return bad == 0;
}

std::string fits(Dtype target) { return "a finite value that fits " + std::string(name_of(target)); }

struct Typed {
  const Tensor* tensor;
  Dtype stored;
};

Result<Typed> find_typed(const Weights& weights, std::string_view name, const std::vector<Index>& shape,
                         bool integers) {
  const auto tensor = weights.find(name);
  if (!tensor) return tensor.error();
  const Tensor& found = **tensor;
  const auto stored = stored_type(found);
  if (!stored || (*stored == Dtype::int32) != integers) {
    return Error{found.file, found.name + ".dtype", integers ? "I32" : "F16, BF16 or F32", found.dtype};
  }
  if (found.shape != shape) {
    return Error{found.file, found.name, "shape " + describe_shape(shape), describe_shape(found.shape)};
  }
  return Typed{&found, *stored};
}

}  // namespace

Result<Weights> Weights::open(const std::filesystem::path& folder) {
  const auto shards = find_shards(folder);
  if (!shards) return shards.error();
  Weights weights;
  weights.folder_ = folder;
  weights.files_ = shards->files;
  for (const auto& path : weights.files_) {
    auto mapping = MappedFile::open(path);
    if (!mapping) return mapping.error();
    auto tensors = parse_safetensors(mapping->bytes(), path.string());
    if (!tensors) return tensors.error();
    weights.mappings_.push_back(std::move(*mapping));
    for (Tensor& tensor : *tensors) {
      std::string name = tensor.name;
      const auto [place, inserted] = weights.tensors_.emplace(std::move(name), std::move(tensor));
      if (inserted) continue;
      return Error{path.string(), place->first, "a tensor of its own",
                   "one that is also in " + place->second.file};
    }
  }
  if (auto agrees = check_index(*shards, weights.tensors_); !agrees) return agrees.error();
  return weights;
}

Result<const Tensor*> Weights::find(std::string_view name) const {
  if (const auto found = tensors_.find(name); found != tensors_.end()) return &found->second;
  const std::string where = files_.size() == 1 ? files_[0].string() : folder_.string();
  return Error{where, std::string(name), "a tensor of this name",
               "none among " + std::to_string(tensors_.size())};
}

Result<void> HalfTensor::read(Index first, std::span<std::uint16_t> values) const {
  const auto count = static_cast<Index>(values.size());
  require(first >= 0 && first <= size() - count, "the elements are in the tensor");
  if (const auto stored = stored_bits()) {
    if (auto finite = check(first, count); !finite) return finite;
    const auto piece = stored->subspan(static_cast<std::size_t>(first) * 2, values.size_bytes());
    if (!piece.empty()) std::memcpy(values.data(), piece.data(), piece.size());
    return {};
  }
  return for_each_value(
      tensor_, stored_, static_cast<std::size_t>(first), values.size(), fits(target_),
      [&](std::size_t i, float value) {
        values[i] = target_ == Dtype::fp16 ? to_fp16(value) : to_bf16(value);
        return std::isfinite(target_ == Dtype::fp16 ? from_fp16(values[i]) : from_bf16(values[i]));
      });
}

std::optional<std::span<const std::byte>> HalfTensor::stored_bits() const {
  if (stored_ != target_) return std::nullopt;
  return tensor_.bytes;
}

Result<void> HalfTensor::check(Index first, Index count) const {
  require(stored_ == target_, "the tensor is stored as its target");
  require(first >= 0 && count >= 0 && first <= size() - count, "the elements are in the tensor");
  const auto begin = static_cast<std::size_t>(first);
  const auto length = static_cast<std::size_t>(count);
  if (all_finite(tensor_.bytes.subspan(2 * begin, 2 * length), stored_)) return {};
  return for_each_value(tensor_, stored_, begin, length, fits(target_),
                        [](std::size_t, float) { return true; });
}

Result<HalfTensor> Weights::find_16bit(std::string_view name, const std::vector<Index>& shape,
                                       Dtype target) const {
  require(target == Dtype::fp16 || target == Dtype::bf16, "16-bit values are FP16 or BF16");
  const auto typed = find_typed(*this, name, shape, false);
  if (!typed) return typed.error();
  return HalfTensor(*typed->tensor, typed->stored, target);
}

Result<std::vector<std::uint16_t>> Weights::read_16bit(std::string_view name, const std::vector<Index>& shape,
                                                       Dtype target) const {
  const auto tensor = find_16bit(name, shape, target);
  if (!tensor) return tensor.error();
  std::vector<std::uint16_t> values(static_cast<std::size_t>(tensor->size()));
  if (auto read = tensor->read(0, values); !read) return read.error();
  return values;
}

Result<std::vector<float>> Weights::read_fp32(std::string_view name, const std::vector<Index>& shape) const {
  const auto typed = find_typed(*this, name, shape, false);
  if (!typed) return typed.error();
  std::vector<float> values(typed->tensor->bytes.size() / size_in_bytes(typed->stored));
  auto converted = for_each_value(*typed->tensor, typed->stored, 0, values.size(), "a finite value",
                                  [&](std::size_t i, float value) {
                                    values[i] = value;
                                    return true;
                                  });
  if (!converted) return converted.error();
  return values;
}

Result<std::vector<std::int32_t>> Weights::read_int32(std::string_view name,
                                                      const std::vector<Index>& shape) const {
  const auto bytes = view_int32(name, shape);
  if (!bytes) return bytes.error();
  std::vector<std::int32_t> values(bytes->size() / sizeof(std::int32_t));
  if (!values.empty()) std::memcpy(values.data(), bytes->data(), bytes->size());
  return values;
}

Result<std::span<const std::byte>> Weights::view_int32(std::string_view name,
                                                       const std::vector<Index>& shape) const {
  const auto typed = find_typed(*this, name, shape, true);
  if (!typed) return typed.error();
  return typed->tensor->bytes;
}

}  // namespace assay
