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

// Calls convert(i, value) for each element; `convert` returns whether its result is finite.
template <class Convert>
Result<void> for_each_value(const Tensor& tensor, Dtype stored, const std::string& expected,
                            Convert convert) {
  const auto visit = [&](auto decode, std::size_t size) -> Result<void> {
    const std::size_t count = tensor.bytes.size() / size;
    for (std::size_t i = 0; i < count; ++i) {
      const float value = decode(i);
      if (!std::isfinite(value) || !convert(i, value)) {
        return Error{tensor.file, element_name(tensor, i), expected, std::to_string(value)};
      }
    }
    return {};
  };
  const auto bytes = tensor.bytes;
  switch (stored) {
    case Dtype::fp16:
      return visit([bytes](std::size_t i) { return from_fp16(load<std::uint16_t>(bytes, i)); }, 2);
    case Dtype::bf16:
      return visit([bytes](std::size_t i) { return from_bf16(load<std::uint16_t>(bytes, i)); }, 2);
    case Dtype::fp32:
      return visit([bytes](std::size_t i) { return load<float>(bytes, i); }, 4);
    case Dtype::int32:
      break;
  }
  throw Fault("for_each_value reads floating-point tensors");
}

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

Result<std::vector<std::uint16_t>> Weights::read_16bit(std::string_view name, const std::vector<Index>& shape,
                                                       Dtype target) const {
  require(target == Dtype::fp16 || target == Dtype::bf16, "16-bit values are FP16 or BF16");
  const auto typed = find_typed(*this, name, shape, false);
  if (!typed) return typed.error();
  const Tensor& tensor = *typed->tensor;
  std::vector<std::uint16_t> values(tensor.bytes.size() / size_in_bytes(typed->stored));
  const std::string expected = "a finite value that fits " + std::string(name_of(target));
  auto converted = for_each_value(tensor, typed->stored, expected, [&](std::size_t i, float value) {
    values[i] = target == Dtype::fp16 ? to_fp16(value) : to_bf16(value);
    return std::isfinite(target == Dtype::fp16 ? from_fp16(values[i]) : from_bf16(values[i]));
  });
  if (!converted) return converted.error();
  return values;
}

Result<std::vector<float>> Weights::read_fp32(std::string_view name, const std::vector<Index>& shape) const {
  const auto typed = find_typed(*this, name, shape, false);
  if (!typed) return typed.error();
  std::vector<float> values(typed->tensor->bytes.size() / size_in_bytes(typed->stored));
  auto converted =
      for_each_value(*typed->tensor, typed->stored, "a finite value", [&](std::size_t i, float value) {
        values[i] = value;
        return true;
      });
  if (!converted) return converted.error();
  return values;
}

Result<std::vector<std::int32_t>> Weights::read_int32(std::string_view name,
                                                      const std::vector<Index>& shape) const {
  const auto typed = find_typed(*this, name, shape, true);
  if (!typed) return typed.error();
  std::vector<std::int32_t> values(typed->tensor->bytes.size() / sizeof(std::int32_t));
  if (!values.empty()) std::memcpy(values.data(), typed->tensor->bytes.data(), typed->tensor->bytes.size());
  return values;
}

}  // namespace assay
