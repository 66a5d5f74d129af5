// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): numbers that
// must be the same everywhere. One sequence passes BigCrush (there); not for secrets.
#pragma once

#include <cstdint>

namespace assay {

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

// The seed of part `part` of what `seed` orders.
inline std::uint64_t seed_of_part(std::uint64_t seed, std::uint64_t part) {
  return SplitMix64(SplitMix64(seed).next() ^ part).next();
}

}  // namespace assay
