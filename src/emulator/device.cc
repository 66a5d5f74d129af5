#include "emulator/device.h"

#include "base/error.h"

namespace assay {
namespace {

// Opt-in shared memory of a block by compute capability: CUDA C++ Programming Guide, table "Technical
// Specifications per Compute Capability" (7.0: 96 KB, 7.5: 64, 8.0: 163, 8.6 and 8.9: 99, 9.0 and 10.0: 227).
constexpr int kShared70 = 96 * 1024;
constexpr int kShared75 = 64 * 1024;
constexpr int kShared80 = 163 * 1024;
constexpr int kShared86 = 99 * 1024;
constexpr int kShared90 = 227 * 1024;

// Multiprocessor counts as NVIDIA's white papers and data sheets give them (where a sheet gives CUDA cores only: cores of
// the card divided by cores of a multiprocessor). Seen on the device: h200 (132). Not published by NVIDIA, as users of
// the cards report them: h20, b200.
constexpr std::array<DeviceSpec, 15> kDevices = {{
    {Device::ieee, "ieee", Family::ieee, 0, 0, 0},
    {Device::exact, "exact", Family::exact, 0, 0, 0},
    {Device::v100, "v100", Family::volta, 70, 80, kShared70},              // V100 white paper
    {Device::t4, "t4", Family::turing, 75, 40, kShared75},                 // data sheet: 2560 / 64
    {Device::a100, "a100", Family::ampere, 80, 108, kShared80},            // A100 white paper
    {Device::a10, "a10", Family::ampere, 86, 72, kShared86},               // data sheet: 9216 / 128
    {Device::rtx_3090, "rtx-3090", Family::ampere, 86, 82, kShared86},     // GA102 white paper: 10496 / 128
    {Device::l4, "l4", Family::ada, 89, 58, kShared86},                    // data sheet: 7424 / 128
    {Device::l40s, "l40s", Family::ada, 89, 142, kShared86},               // data sheet: 18176 / 128
    {Device::rtx_4090, "rtx-4090", Family::ada, 89, 128, kShared86},       // Ada white paper: 16384 / 128
    {Device::h100, "h100", Family::hopper, 90, 132, kShared90},            // H100 white paper: SXM5
    {Device::h100_pcie, "h100-pcie", Family::hopper, 90, 114, kShared90},  // H100 white paper: PCIe
    {Device::h200, "h200", Family::hopper, 90, 132, kShared90},
    {Device::h20, "h20", Family::hopper, 90, 78, kShared90},
    {Device::b200, "b200", Family::blackwell, 100, 148, kShared90},
}};

}  // namespace

std::span<const DeviceSpec> device_table() { return kDevices; }

const DeviceSpec& spec_of(Device device) {
  const auto row = static_cast<std::size_t>(device);
  require(row < kDevices.size() && kDevices[row].device == device, "a row for each device, in their order");
  return kDevices[row];
}

// The same table of the CUDA C++ Programming Guide.
int max_threads_per_sm(const DeviceSpec& device) {
  switch (device.compute_capability) {
    case 70:
    case 80:
    case 90:
    case 100:
      return 2048;
    case 86:
    case 89:
      return 1536;
    case 75:
      return 1024;
    default:
      require(device.compute_capability == 0, "a row for each compute capability");
      return 0;
  }
}

std::optional<Device> device_named(std::string_view name) {
  for (const DeviceSpec& spec : kDevices) {
    if (spec.name == name) return spec.device;
  }
  return std::nullopt;
}

std::string_view name_of(Family family) {
  switch (family) {
    case Family::ieee:
      return "ieee";
    case Family::exact:
      return "exact";
    case Family::volta:
      return "volta";
    case Family::turing:
      return "turing";
    case Family::ampere:
      return "ampere";
    case Family::ada:
      return "ada";
    case Family::hopper:
      return "hopper";
    case Family::blackwell:
      return "blackwell";
  }
  return "";
}

}  // namespace assay
