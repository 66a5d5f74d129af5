#include "engine/native/philox.h"

#include <gtest/gtest.h>

namespace assay {
namespace {

using Four = std::array<std::uint32_t, 4>;

// Random123's kat_vectors, lines "philox4x32 10": counter, key, result.
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Four{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Four{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Four{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, SubsequencesAndBlocksAreHalvesOfTheCounter) {
  EXPECT_EQ(curand_draws(0x299f31d0a4093822U, 0x0370734413198a2eU, 0x85a308d3243f6a88U),
            (Four{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, UniformsLieAboveZeroAndReachOne) {
  EXPECT_EQ(curand_uniform(0), 0x1p-33F);
  EXPECT_EQ(curand_uniform(1), 0x1.8p-32F);
  EXPECT_EQ(curand_uniform(0x80000000), 0.5F);  // 2^-33 is below half an ULP
  EXPECT_EQ(curand_uniform(0xffffffff), 1.0F);
}

}  // namespace
}  // namespace assay
