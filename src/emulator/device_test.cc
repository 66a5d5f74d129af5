#include "emulator/device.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"

namespace assay {
namespace {

TEST(DeviceTable, NamesAreUniqueAndFindTheirRow) {
  std::set<std::string_view> names;
  for (const DeviceSpec& spec : device_table()) {
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    EXPECT_EQ(device_named(spec.name), spec.device);
    EXPECT_EQ(&spec_of(spec.device), &spec);
    EXPECT_FALSE(name_of(spec.family).empty());
  }
  EXPECT_EQ(names.size(), 15U);
  EXPECT_EQ(device_named("h100-pcie"), Device::h100_pcie);
  EXPECT_EQ(device_named("rtx-4090"), Device::rtx_4090);
  for (const char* unknown : {"", "H100", "h100_pcie", "a1000"})
    EXPECT_FALSE(device_named(unknown)) << unknown;
}

TEST(DeviceTable, OnlyTheYardsticksAreNotGpus) {
  for (const DeviceSpec& spec : device_table()) {
    const bool yardstick = spec.family == Family::ieee || spec.family == Family::exact;
    EXPECT_EQ(is_gpu(spec.device), !yardstick) << spec.name;
    EXPECT_EQ(spec.compute_capability == 0, yardstick) << spec.name;
    EXPECT_EQ(spec.shared_memory == 0, yardstick) << spec.name;
    EXPECT_EQ(max_threads_per_sm(spec) == 0, yardstick) << spec.name;
  }
}

// A family is a range of compute capabilities; shared memory goes with the capability.
TEST(DeviceTable, FamilyAndSharedMemoryFollowFromTheCapability) {
  for (const DeviceSpec& spec : device_table()) {
    if (!is_gpu(spec.device)) continue;
    switch (spec.compute_capability) {
      case 70:
        EXPECT_EQ(spec.family, Family::volta);
        EXPECT_EQ(spec.shared_memory, 98304);
        break;
      case 75:
        EXPECT_EQ(spec.family, Family::turing);
        EXPECT_EQ(spec.shared_memory, 65536);
        break;
      case 80:
        EXPECT_EQ(spec.family, Family::ampere);
        EXPECT_EQ(spec.shared_memory, 166912);
        break;
      case 86:
      case 89:
        EXPECT_EQ(spec.family, spec.compute_capability == 86 ? Family::ampere : Family::ada);
        EXPECT_EQ(spec.shared_memory, 101376);
        break;
      default:
        EXPECT_EQ(spec.family, spec.compute_capability == 90 ? Family::hopper : Family::blackwell);
        EXPECT_EQ(spec.shared_memory, 232448);
    }
  }
}

TEST(DeviceTable, AnUnknownDeviceIsAFault) { EXPECT_THROW((void)spec_of(static_cast<Device>(99)), Fault); }

}  // namespace
}  // namespace assay
