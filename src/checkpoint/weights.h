// The tensors of a model folder, mapped, and read with their expected shapes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/index.h"
#include "checkpoint/safetensors.h"
#include "number/dtype.h"

namespace assay {

// A tensor of Weights as values of a 16-bit type, for reading in pieces: by several threads at once, or into
// memory of the caller's. Valid as long as the Weights.
class HalfTensor {
 public:
  HalfTensor(const Tensor& tensor, Dtype stored, Dtype target)
      : tensor_(tensor), stored_(stored), target_(target) {}

  Index size() const { return static_cast<Index>(tensor_.bytes.size() / size_in_bytes(stored_)); }

  // Bits of the target for elements [first, first + values.size()). Where the file has them already this goes
  // as fast as memory does. Error: as Weights::read_16bit, for the first such element of these.
  Result<void> read(Index first, std::span<std::uint16_t> values) const;

  // The same bits in the file, at any alignment; nothing if the file has another type. Whether they are finite
  // says check().
  std::optional<std::span<const std::byte>> stored_bits() const;
  // The Error of read(), of a tensor that has stored_bits().
  Result<void> check(Index first, Index count) const;

 private:
  const Tensor& tensor_;
  Dtype stored_;
  Dtype target_;
};

// Owns the mappings; the files must not be cut while it lives. Move-only; reading is thread-safe.
class Weights {
 public:
  // The shards that model.safetensors.index.json names, else model.safetensors, else the folder's only
  // *.safetensors file. Error: none of these, a missing shard, an index that does not agree with its shards.
  static Result<Weights> open(const std::filesystem::path& folder);

  // By name.
  const std::map<std::string, Tensor, std::less<>>& tensors() const { return tensors_; }
  // In the order of their names.
  const std::vector<std::filesystem::path>& files() const { return files_; }

  bool has(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }
  // Valid as long as this object, moves included. Error: there is none of that name.
  Result<const Tensor*> find(std::string_view name) const;

  // Reads copy. Errors of all three: no such tensor, another shape, a dtype that does not convert, and a
  // value that is NaN or infinite (the error names its index).

  // Bits of `target` (FP16 or BF16), rounded to nearest even from FP16, BF16 or FP32; a finite value that
  // rounds to infinity is an error too.
  Result<std::vector<std::uint16_t>> read_16bit(std::string_view name, const std::vector<Index>& shape,
                                                Dtype target) const;
  // The same, to be read in pieces; no value is looked at yet.
  Result<HalfTensor> find_16bit(std::string_view name, const std::vector<Index>& shape, Dtype target) const;
  // Exact, from FP16, BF16 or FP32.
  Result<std::vector<float>> read_fp32(std::string_view name, const std::vector<Index>& shape) const;
  // From I32 only.
  Result<std::vector<std::int32_t>> read_int32(std::string_view name, const std::vector<Index>& shape) const;

  // The bytes of an I32 tensor, in the file: at any alignment, valid as long as this object. Errors as above.
  Result<std::span<const std::byte>> view_int32(std::string_view name, const std::vector<Index>& shape) const;

 private:
  Weights() = default;

  std::filesystem::path folder_;
  std::vector<std::filesystem::path> files_;
  std::vector<MappedFile> mappings_;
  std::map<std::string, Tensor, std::less<>> tensors_;
};

}  // namespace assay
