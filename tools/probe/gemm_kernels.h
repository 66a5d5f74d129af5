// Inputs of matrix products made on the device by inputs.h, and outputs picked from the result. All pointers
// are the device's; launches go to the default stream.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace assay_probe {

// x [rows][inputs].
cudaError_t fill_activations(std::uint16_t* x, bool bf16, std::uint64_t seed, std::int64_t rows,
                             std::int64_t inputs);

// W as [outputs][inputs] (`transposed`, as torch's linear keeps it) or [inputs][outputs].
cudaError_t fill_weights(std::uint16_t* w, bool bf16, bool transposed, std::uint64_t seed,
                         std::int64_t inputs, std::int64_t outputs);

// picked[i] = all[positions[i]].
cudaError_t pick(const std::uint16_t* all, const std::int64_t* positions, std::uint16_t* picked,
                 std::int64_t count);

}  // namespace assay_probe
