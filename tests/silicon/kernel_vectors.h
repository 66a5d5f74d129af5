// Outputs of real kernels, and the same outputs by this project's recipes.
//
// A vector file holds cases: a line "case kernel=K m=M n=N k=K group=G zero_points=0|1 seed=S", optionally
// with "dtype=float16|bfloat16" (of activations, scales, weights and outputs; else float16), then a line of
// outputs, four hexadecimal digits each (of kernels recorded in parts, one line a part). Sample j is row
// mix(77, 2j) mod M, column mix(77, 2j + 1) mod N; of a product of fewer than 4096 outputs, output j in
// row-major order. A line "samples J J ..." before the outputs says which were kept, else all from 0 on.
// Inputs follow from the seed (tools/probe/inputs.h); a BF16 scale is the FP16 one, rounded. G = K is one
// group a column.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "emulator/device.h"
#include "emulator/isa.h"
#include "kernels/recipes/choose.h"

namespace assay {

// Faults of the inputs, as a wrong reader of a checkpoint or of a record would make them.
enum class InputFault : std::uint8_t {
  none,
  zero_point,      // off by one
  swapped_groups,  // 0 with 1, 2 with 3, ...
  shifted          // x is that of the next k
};

struct KernelCase {
  std::string kernel;
  LinearProblem problem;
  std::uint64_t seed = 0;
  std::vector<std::size_t> samples;               // j of each output; empty: 0, 1, 2, ...
  std::vector<std::vector<std::uint16_t>> parts;  // [part][output], bits of the dtype
  InputFault fault = InputFault::none;            // planted into what is replayed

  std::size_t sample(std::size_t output) const { return samples.empty() ? output : samples.at(output); }
  Index row(std::size_t output) const;
  Index column(std::size_t output) const;
};

// Error: a file that is not of this form.
Result<std::vector<KernelCase>> read_kernel_cases(const std::filesystem::path& file);

// Where a kernel multiplies by the scales: each weight, or with one group a column the rounded result.
enum class ScalePlace : std::uint8_t { weights, outputs };
ScalePlace scale_place(const KernelCase& c, KernelName kernel);

// x[row, 0 .. K-1] and the dequantized w[0 .. K-1, column], which with ScalePlace::outputs lacks the scale.
std::vector<float> operand_row(const KernelCase& c, Index row);
std::vector<float> weight_column(const KernelCase& c, Index column, ScalePlace place);

// The first `count` outputs by the recipe, as bits; `place`: else the kernel's own. Error: the recipe refuses
// the problem.
Result<std::vector<std::uint16_t>> replay(const KernelCase& c, const KernelChoice& kernel,
                                          const DeviceSpec& device, std::size_t count,
                                          std::optional<ScalePlace> place = std::nullopt);

// The first `count` outputs, each under this order of accumulation, the scales in the weights.
std::vector<std::uint16_t> replay_order(const KernelCase& c, const SumOrder& order, Family family,
                                        std::size_t count);

// Faults of a 128-k block of kernels/exllama.h, to see that real bits tell them.
enum class BlockFault : std::uint8_t {
  none,
  halves_as_lanes,  // lanes of 4 neighbouring k instead of even and odd k
  zero_point        // off by one
};

// The results of exllama's blocks for the first `count` outputs, [block][output].
std::vector<std::vector<std::uint16_t>> replay_blocks(const KernelCase& c, Isa isa, std::size_t count,
                                                      BlockFault fault = BlockFault::none);

}  // namespace assay
