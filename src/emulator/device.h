// The devices whose arithmetic can be replayed: one row each, with what the kernels' own choices need.
// Facts are data with a source; docs/numerics.md, section "Devices".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace assay {

// Whose tensor cores. `ieee` and `exact` are this project's own yardsticks: FP32 FMA in k order, and the same
// chain in FP64.
enum class Family : std::uint8_t { ieee, exact, volta, turing, ampere, ada, hopper, blackwell };

enum class Device : std::uint8_t {
  ieee,
  exact,
  v100,
  t4,
  a100,
  a10,
  rtx_3090,
  l4,
  l40s,
  rtx_4090,
  h100,
  h100_pcie,
  h200,
  h20,
  b200,
};

struct DeviceSpec {
  Device device;
  std::string_view name;
  Family family;
  int compute_capability;  // 80 is 8.0; 0: not a GPU
  int sm_count;            // streaming multiprocessors; 0: not a GPU
  int shared_memory;       // bytes that one block may opt in to
};

std::span<const DeviceSpec> device_table();
const DeviceSpec& spec_of(Device device);
std::optional<Device> device_named(std::string_view name);
inline std::string_view name_of(Device device) { return spec_of(device).name; }
std::string_view name_of(Family family);

// Threads that a multiprocessor holds at once; 0: not a GPU. By compute capability, as shared memory.
int max_threads_per_sm(const DeviceSpec& device);

// Whether matrix products of this device have an order of their own, so that kernels differ.
inline bool is_gpu(Device device) { return spec_of(device).sm_count > 0; }

}  // namespace assay
