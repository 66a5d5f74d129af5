// From a setup to an engine: everything that can be refused is refused here.
#include <fmt/format.h>

#include <optional>

#include "checkpoint/model_files.h"
#include "checkpoint/weights.h"
#include "emulator/arithmetic.h"
#include "engine/native/native_engine.h"
#include "engine/native/quantization_name.h"

namespace assay {
namespace {

WeightForm form_for(const KernelChoice& kernel) {
  const bool marlin = kernel.kernel == KernelName::marlin_a || kernel.kernel == KernelName::marlin_b;
  return {.sorts_by_group = marlin || kernel.kernel == KernelName::machete,
          .scales_columns_outside = marlin,
          .keeps_integers = kernel.kernel == KernelName::exllama};
}

Result<void> check_layers(const DecoderWeights& weights, const LinearProduct& product,
                          const std::string& file) {
  for (const auto& [linear, name] : linears_of(weights.layers.at(0))) {
    if (auto checked = product.check(*linear, file, name); !checked) return checked;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Engine>> open_engine(const Setup& setup, ThreadPool& pool, Isa isa) {
  const auto device = device_named(setup.device);
  if (!device) {
    std::vector<std::string_view> names;
    for (const DeviceSpec& known : device_table()) names.push_back(known.name);
    return Error{"", "device", fmt::format("one of {}", fmt::join(names, ", ")), setup.device};
  }
  const auto dtype = dtype_named(setup.dtype);
  if (dtype != Dtype::fp16 && dtype != Dtype::bf16)
    return Error{"", "dtype", "float16 or bfloat16", setup.dtype};
  if (setup.prefill_tokens < 1) {
    return Error{"", "prefill_tokens", "at least 1", std::to_string(setup.prefill_tokens)};
  }
  const DeviceSpec& spec = spec_of(*device);
  if (is_gpu(*device) && !dot_arithmetic(spec.family, operand_of(*dtype))) {
    return Error{"", "dtype", fmt::format("a type that the tensor cores of {} multiply", spec.name),
                 setup.dtype};
  }

  auto folder = find_model(setup.model);
  if (!folder) return folder.error();
  auto config = read_config(*folder);
  if (!config) return config.error();
  const std::string config_file = (*folder / "config.json").string();
  if (auto checked = check_quantization(setup.quantization, *config, *dtype, config_file); !checked) {
    return checked.error();
  }
  const auto kernel = choose_kernel(setup.quantization, setup.profile, spec,
                                    setup.kernel.empty() ? std::nullopt : std::optional(setup.kernel));
  if (!kernel) return kernel.error();
  if (auto checked = check_kernel(*kernel, *config, config_file); !checked) return checked.error();
  if (kernel->kernel != KernelName::chain && config->quantization && config->quantization->bits != 4) {
    return Error{config_file, "quantization_config.bits", fmt::format("4 for kernel {}", kernel->name),
                 std::to_string(config->quantization->bits)};
  }
  auto files = Weights::open(*folder);
  if (!files) return files.error();
  auto weights = load_decoder(*files, *config, *dtype, form_for(*kernel), pool);
  if (!weights) return weights.error();
  const Compute compute{pool, ops_for(isa, *dtype), *device};
  if (auto checked = check_layers(*weights, LinearProduct(*kernel, compute), config_file); !checked) {
    return checked.error();
  }
  return std::unique_ptr<Engine>(std::make_unique<NativeEngine>(
      setup.model, *std::move(config), *std::move(weights), compute, *kernel, setup.prefill_tokens));
}

}  // namespace assay
