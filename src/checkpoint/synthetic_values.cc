#include "checkpoint/synthetic_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/splitmix.h"
#include "number/float16.h"

namespace assay {
namespace {

constexpr Index kPiece = Index{1} << 20;  // elements

template <class T, class Next>
std::vector<std::byte> fill_with(Index count, Next next) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(count) * sizeof(T));
  for (Index i = 0; i < count; ++i) {
    const T value = next(i);
    std::memcpy(bytes.data() + static_cast<std::size_t>(i) * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}

// The sum of four even draws of 16 bits (Irwin and Hall), made to have mean 0 and deviation 1.
float almost_normal(std::uint64_t bits) {
  int sum = -2 * 0xffff;
  for (int i = 0; i < 4; ++i) sum += static_cast<int>(bits >> (16 * i) & 0xffff);
  constexpr float kDeviation = 37837.227F;  // sqrt(4 (2^32 - 1) / 12)
  return static_cast<float>(sum) / kDeviation;
}

std::uint32_t eight_for_zero(std::uint32_t nibbles) {
  std::uint32_t any = nibbles | nibbles >> 1;
  any |= any >> 2;
  return nibbles | (~any & 0x11111111U) << 3;
}

bool is_16bit(Fill fill) { return fill == Fill::ones || fill == Fill::normal || fill == Fill::scales; }

}  // namespace

std::vector<SyntheticPiece> pieces_of(const SyntheticTensor& tensor, std::uint64_t seed) {
  const std::size_t element = is_16bit(tensor.fill) ? 2 : 4;
  const auto size = static_cast<Index>(size_in_bytes(tensor.entry) / element);
  std::vector<SyntheticPiece> pieces;
  for (Index first = 0; first < size; first += kPiece) {
    pieces.push_back({.fill = tensor.fill,
                      .spread = tensor.spread,
                      .first = first,
                      .count = std::min(kPiece, size - first),
                      .seed = seed_of_part(seed, static_cast<std::uint64_t>(first)),
                      .file = 0,
                      .offset = static_cast<std::size_t>(first) * element});
  }
  return pieces;
}

std::vector<std::byte> values_of(const SyntheticPiece& piece) {
  SplitMix64 random(piece.seed);
  const auto halves = [&](auto next) { return fill_with<std::uint16_t>(piece.count, next); };
  const auto words = [&](auto next) { return fill_with<std::uint32_t>(piece.count, next); };
  const auto word = [&] { return static_cast<std::uint32_t>(random.next() >> 32); };
  switch (piece.fill) {
    case Fill::ones:
      return halves([](Index) { return to_fp16(1); });
    case Fill::normal:
      return halves([&](Index) { return to_fp16(piece.spread * almost_normal(random.next())); });
    case Fill::scales:
      return halves([&](Index) {
        return to_fp16(piece.spread * (0.75F + static_cast<float>(random.next() >> 40) * 0x1p-25F));
      });
    case Fill::integers:
      return words([&](Index) { return word(); });
    case Fill::symmetric_integers:
      return words([&](Index) { return eight_for_zero(word()); });
    case Fill::zero_points:
      return words([&](Index) { return 0x77777777U + (word() & 0x11111111U); });
    case Fill::symmetric_zero_points:
      return words([](Index) { return 0x77777777U; });
    case Fill::groups:
      return words([&](Index i) {
        return static_cast<std::uint32_t>((piece.first + i) / static_cast<Index>(piece.spread));
      });
  }
  throw Fault("every fill has its values");
}

}  // namespace assay
