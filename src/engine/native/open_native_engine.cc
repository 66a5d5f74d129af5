// Everything that can be refused is refused here.
#include "engine/native/open_native_engine.h"

#include <fmt/format.h>

#include <optional>

#include "checkpoint/weights.h"
#include "emulator/arithmetic.h"
#include "engine/native/cpu_backend.h"
#include "engine/native/cuda_backend.h"
#include "engine/native/native_engine.h"
#include "engine/native/quantization_name.h"
#include "hub/hub.h"

namespace assay {
namespace {

WeightForm form_for(const KernelChoice& kernel) {
  const bool marlin = kernel.kernel == KernelName::marlin_a || kernel.kernel == KernelName::marlin_b;
  return {.sorts_by_group = marlin || kernel.kernel == KernelName::machete,
          .scales_columns_outside = marlin,
          .keeps_integers = kernel.kernel == KernelName::exllama};
}

// What a backend is opened for.
struct Opening {
  const std::string& model;
  const ModelConfig& config;
  const DeviceSpec& device;
  const KernelChoice& kernel;
  Dtype dtype;
};

Result<std::unique_ptr<DecoderBackend>> open_backend(const Opening& opening, const Weights& files,
                                                     ThreadPool& pool, const EngineOptions& options) {
  const WeightForm form = form_for(opening.kernel);
  if (options.processor != Processor::cpu) {
    const auto refused = cuda_refusal(opening.config, opening.kernel, opening.device, opening.dtype);
    if (!refused) {
      return open_cuda_backend(
          {opening.model, opening.config, opening.device, opening.kernel, opening.dtype, form}, files, pool);
    }
    if (options.processor == Processor::cuda) return *refused;
  }
  auto weights = load_decoder(files, opening.config, opening.dtype, form, pool);
  if (!weights) return weights.error();
  const Compute compute{pool, ops_for(options.isa, opening.dtype), opening.device.device};
  return std::unique_ptr<DecoderBackend>(std::make_unique<CpuBackend>(
      opening.model, opening.config, *std::move(weights), compute, opening.kernel));
}

}  // namespace

Result<std::unique_ptr<Engine>> open_native_engine(const Setup& setup, ThreadPool& pool,
                                                   const EngineOptions& options) {
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

  auto folder = resolve_model(setup.model, {.log = options.log, .stopped = options.stopped});
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
  const NativeSetup native{spec, *kernel, setup.prefill_tokens};
  const auto layers = layer_problems(*config, *dtype);
  if (auto checked = check_layers(layers, *kernel, spec, config_file); !checked) return checked.error();
  auto backend = open_backend({setup.model, *config, spec, *kernel, *dtype}, *files, pool, options);
  if (!backend) return backend.error();
  return std::unique_ptr<Engine>(std::make_unique<NativeEngine>(
      setup.model, *std::move(config), native, ops_for(options.isa, *dtype), *std::move(backend)));
}

}  // namespace assay
