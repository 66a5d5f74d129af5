// The noise of the exponential race against cuRAND on a GPU: tests/golden/philox.txt, written by
// tools/probe/philox_probe, which gives the format.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

#include "engine/native/sampling.h"

namespace assay {
namespace {

constexpr const char* kGolden = ASSAY_SOURCE_DIR "/tests/golden/philox.txt";

DeviceSpec device_of(int sms, int threads_per_sm) {
  return {Device::a100, "", Family::ampere, threads_per_sm == 2048 ? 80 : 75, sms, 0};
}

float from_hex(const std::string& word) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(std::stoul(word, nullptr, 16)));
}

TEST(PhiloxGolden, UniformsAreBitForBitAndNoiseWithinTheFastLogarithmsError) {
  std::ifstream file(kGolden);
  if (!file) GTEST_SKIP() << "no " << kGolden << ": tools/probe/philox_probe has not been run on a GPU";
  using Call = std::tuple<std::uint64_t, Index, Index, int, int>;
  std::map<Call, std::vector<float>> calls;
  Index lines = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "threads") {
      Index count = 0, blocks = 0;
      int sms = 0, threads_per_sm = 0;
      ASSERT_TRUE(words >> count >> sms >> threads_per_sm >> blocks) << line;
      ASSERT_EQ(max_threads_per_sm(device_of(sms, threads_per_sm)), threads_per_sm) << line;
      EXPECT_EQ(noise_threads(device_of(sms, threads_per_sm), count), 256 * blocks) << line;
      continue;
    }
    if (kind != "draw") continue;
    std::uint64_t seed = 0;
    Index call = 0, count = 0, element = 0;
    int sms = 0, threads_per_sm = 0;
    std::string uniform, noise;
    ASSERT_TRUE(words >> seed >> call >> count >> sms >> threads_per_sm >> element >> uniform >> noise)
        << line;
    std::vector<float>& ours = calls[{seed, call, count, sms, threads_per_sm}];
    if (ours.empty()) {
      ours.resize(static_cast<std::size_t>(count));
      torch_uniforms(seed, call, noise_threads(device_of(sms, threads_per_sm), count), ours);
    }
    const float u = ours.at(static_cast<std::size_t>(element));
    EXPECT_EQ(std::bit_cast<std::uint32_t>(u), std::bit_cast<std::uint32_t>(from_hex(uniform))) << line;
    // CUDA C++ Programming Guide, "Intrinsic Functions": __logf errs by 2^-21.41 from 0.5 to 2, elsewhere by 3
    // ULP; ours by one.
    const double exact = -std::log(static_cast<double>(u));
    const double limit = u >= 0.5F ? std::exp2(-21.41) + 0x1p-24 : 4 * 0x1p-23 * exact;
    EXPECT_LE(std::abs(static_cast<double>(exponential_noise(u)) - static_cast<double>(from_hex(noise))),
              limit)
        << line;
    ++lines;
  }
  EXPECT_GT(lines, 1000);
}

}  // namespace
}  // namespace assay
