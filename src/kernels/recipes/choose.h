// Which kernel a setup's quantized or dense linear layers run, as vLLM would choose it.
//
// Profiles: "vllm-0.11" (Marlin generation A), "vllm-0.12" (generation B). Rules, by quantization:
//   none         cublas     on Hopper with 132 SMs (splits seen on an H200); chain on others
//   awq          awq        from compute capability 7.5
//   awq_marlin   marlin     from 8.0, Hopper too
//   gptq_marlin  machete    on 9.0 exactly; marlin on others from 8.0
//   gptq         exllama
// `ieee` and `exact` have no kernels: everything is the chain.
// vLLM sources: vllm/model_executor/layers/quantization/{awq,awq_marlin,gptq_marlin}.py,
// .../kernels/mixed_precision/__init__.py @00c02518 (order: Machete, AllSpark, Marlin, Exllama), machete.py
// @0065de94, marlin.py @04aa528e, .../utils/marlin_utils.py @007d5005.
//
// Layers whose shape a kernel refuses. vLLM chooses per fused layer (the shape of qkv or gate_up, not of its parts):
//   gptq_marlin: the first kernel of that list whose can_implement accepts it: Machete (K % 64, N % 128, group -1, 64 or
//     128), AllSpark (8-bit only), Marlin (N % 64, K % 128, group -1, 32, 64 or 128 that divides K), later Conch, then
//     exllama (fp16 only); none: ValueError at load time.
//   awq_marlin: Marlin's shape rules, else that layer runs the kernels of `awq`, with a warning.
//   awq: no other; awq_gemm throws when it first runs.
// Here such a layer is an Error with the reason and never another kernel: a setup names the kernel that it wants with
// `kernel:`, and the record says what ran.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/recipes/recipe.h"

namespace assay {

enum class KernelName : std::uint8_t { chain, split_k, cublas, awq, marlin_a, marlin_b, machete, exllama };

struct KernelChoice {
  KernelName kernel = KernelName::chain;
  Index splits = 1;            // of split_k
  std::string name = "chain";  // as in `kernel:`, e.g. "marlin_a", "split_k(3)"

  // Whether equal requests give equal bits.
  bool deterministic() const { return kernel != KernelName::exllama; }
};

// All names there are, in the order of the tables; "split_k(n)" stands for every n.
std::vector<std::string_view> quantization_names();
std::vector<std::string_view> profile_names();
std::vector<std::string_view> kernel_names();

// `override_name`: the setup's `kernel:`. Error, listing what exists: an unknown quantization, profile or
// kernel. Error: a kernel that the device or the checkpoint's format cannot run.
Result<KernelChoice> choose_kernel(std::string_view quantization, std::string_view profile,
                                   const DeviceSpec& device, std::optional<std::string_view> override_name);

// Whether what a row of the product gets depends on how many rows the pass has, and on its place among them.
bool rows_change_bits(const KernelChoice& choice, const LinearProblem& problem, const DeviceSpec& device);

// Error: the kernel refuses the problem; exllama up to kExllamaMostRows rows, which is no sum of tensor-core
// chains (kernels/exllama.h), has no schedule.
Result<Schedule> schedule_for(const KernelChoice& choice, const LinearProblem& problem,
                              const DeviceSpec& device);

}  // namespace assay
