#include "kernels/recipes/choose.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/error.h"
#include "kernels/exllama.h"
#include "kernels/recipes/awq.h"
#include "kernels/recipes/cublas.h"
#include "kernels/recipes/dense.h"
#include "kernels/recipes/half_gemm.h"
#include "kernels/recipes/machete.h"
#include "kernels/recipes/marlin.h"

namespace assay {
namespace {

enum class Format : std::uint8_t { dense, awq, gptq };

struct QuantizationRow {
  std::string_view name;
  Format format;
};
constexpr std::array<QuantizationRow, 5> kQuantizations = {{{"none", Format::dense},
                                                            {"awq", Format::awq},
                                                            {"awq_marlin", Format::awq},
                                                            {"gptq", Format::gptq},
                                                            {"gptq_marlin", Format::gptq}}};

struct ProfileRow {
  std::string_view name;
  KernelName marlin;
};
constexpr std::array<ProfileRow, 2> kProfiles = {
    {{"vllm-0.11", KernelName::marlin_a}, {"vllm-0.12", KernelName::marlin_b}}};

// What a kernel asks of the checkpoint and of the device.
struct KernelRow {
  KernelName kernel;
  std::string_view name;
  bool dense, awq, gptq;  // formats it can be fed
  int least_capability;
  int most_capability;
};
constexpr int kAny = 1000;
constexpr std::array<KernelRow, 8> kKernels = {{
    {KernelName::chain, "chain", true, true, true, 0, kAny},
    {KernelName::split_k, "split_k(n)", true, true, true, 0, kAny},
    {KernelName::cublas, "cublas", true, false, false, 90, 90},
    {KernelName::awq, "awq", false, true, false, 75, kAny},
    {KernelName::marlin_a, "marlin_a", false, true, true, 80, kAny},
    {KernelName::marlin_b, "marlin_b", false, true, true, 80, kAny},
    {KernelName::machete, "machete", false, false, true, 90, 90},
    {KernelName::exllama, "exllama", false, false, true, 60, kAny},
}};

template <class Rows>
const auto* row_named(const Rows& rows, std::string_view name) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

template <class Rows>
std::vector<std::string_view> names_of(const Rows& rows) {
  std::vector<std::string_view> names;
  for (const auto& row : rows) names.push_back(row.name);
  return names;
}

template <class Rows>
Error unknown(const char* key, const Rows& rows, std::string_view found) {
  return {"", key, fmt::format("one of {}", fmt::join(names_of(rows), ", ")),
          found.empty() ? "an empty name" : std::string(found)};
}

const KernelRow& row_of(KernelName kernel) {
  for (const KernelRow& row : kKernels) {
    if (row.kernel == kernel) return row;
  }
  throw Fault("a kernel without a row");
}

// "split_k(3)" is 3; nothing if it is not of that form.
std::optional<Index> splits_in(std::string_view name) {
  constexpr std::string_view kPrefix = "split_k(";
  if (!name.starts_with(kPrefix) || !name.ends_with(")")) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size(), name.size() - kPrefix.size() - 1);
  Index splits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), splits);
  if (error != std::errc() || end != digits.data() + digits.size() || splits < 1) return std::nullopt;
  return splits;
}

Result<KernelChoice> parse_kernel(std::string_view name) {
  if (const auto splits = splits_in(name)) {
    return KernelChoice{KernelName::split_k, *splits, std::string(name)};
  }
  const KernelRow* row = row_named(kKernels, name);
  if (row == nullptr || row->kernel == KernelName::split_k) return unknown("kernel", kKernels, name);
  return KernelChoice{row->kernel, 1, std::string(name)};
}

KernelName default_kernel(std::string_view quantization, KernelName marlin, const DeviceSpec& device) {
  if (!is_gpu(device.device)) return KernelName::chain;
  if (quantization == "none") return has_measured_splits(device) ? KernelName::cublas : KernelName::chain;
  if (quantization == "awq") return KernelName::awq;
  if (quantization == "gptq") return KernelName::exllama;
  return quantization == "gptq_marlin" && device.compute_capability == 90 ? KernelName::machete : marlin;
}

std::string capability_wanted(const KernelRow& row) {
  const auto text = [](int capability) { return fmt::format("{}.{}", capability / 10, capability % 10); };
  return fmt::format("a device of compute capability {}{}", text(row.least_capability),
                     row.most_capability == row.least_capability ? "" : " or more");
}

// Why the kernel cannot run there; nothing if it can.
std::optional<Error> check(const KernelChoice& choice, const QuantizationRow& quantization,
                           const DeviceSpec& device) {
  const KernelRow& row = row_of(choice.kernel);
  const std::string key = "kernel " + choice.name;
  if (!is_gpu(device.device)) {
    if (choice.kernel == KernelName::chain) return std::nullopt;
    return Error{"", key, fmt::format("chain, the only kernel of device {}", device.name), choice.name};
  }
  if (device.compute_capability < row.least_capability || device.compute_capability > row.most_capability) {
    return Error{"", key, capability_wanted(row),
                 fmt::format("{} ({}.{})", device.name, device.compute_capability / 10,
                             device.compute_capability % 10)};
  }
  const bool fed = quantization.format == Format::dense ? row.dense
                   : quantization.format == Format::awq ? row.awq
                                                        : row.gptq;
  if (fed) return std::nullopt;
  const char* formats = row.dense             ? "unquantized"
                        : row.awq && row.gptq ? "awq or gptq"
                        : row.awq             ? "awq"
                                              : "gptq";
  return Error{"", key, fmt::format("{} weights", formats),
               fmt::format("quantization {}", quantization.name)};
}

}  // namespace

std::vector<std::string_view> quantization_names() { return names_of(kQuantizations); }
std::vector<std::string_view> profile_names() { return names_of(kProfiles); }
std::vector<std::string_view> kernel_names() { return names_of(kKernels); }

Result<KernelChoice> choose_kernel(std::string_view quantization, std::string_view profile,
                                   const DeviceSpec& device, std::optional<std::string_view> override_name) {
  const QuantizationRow* format = row_named(kQuantizations, quantization);
  if (format == nullptr) return unknown("quantization", kQuantizations, quantization);
  const ProfileRow* marlin = row_named(kProfiles, profile);
  if (marlin == nullptr) return unknown("profile", kProfiles, profile);
  const KernelName usual = default_kernel(quantization, marlin->marlin, device);
  auto choice = parse_kernel(override_name.value_or(row_of(usual).name));
  if (!choice) return choice.error();
  if (auto refused = check(*choice, *format, device)) return *refused;
  return choice;
}

bool rows_change_bits(const KernelChoice& choice, const LinearProblem& problem, const DeviceSpec& device) {
  switch (choice.kernel) {
    case KernelName::chain:
    case KernelName::split_k:
      return false;
    case KernelName::cublas:
      return splits_vary(problem, device, WeightLayout::transposed);
    default:
      return true;
  }
}

Result<Schedule> schedule_for(const KernelChoice& choice, const LinearProblem& problem,
                              const DeviceSpec& device) {
  switch (choice.kernel) {
    case KernelName::chain:
      return chain_schedule(problem);
    case KernelName::split_k:
      return split_k_schedule(problem, choice.splits);
    case KernelName::cublas:
      return cublas_schedule(problem, device, WeightLayout::transposed);
    case KernelName::awq:
      return awq_schedule(problem, device);
    case KernelName::marlin_a:
      return marlin_schedule(problem, device, MarlinGeneration::a);
    case KernelName::marlin_b:
      return marlin_schedule(problem, device, MarlinGeneration::b);
    case KernelName::machete:
      return machete_schedule(problem, device);
    case KernelName::exllama:
      break;
  }
  if (auto checked = check_exllama(problem); !checked) return checked.error();
  if (problem.rows > kExllamaMostRows) return half_gemm_schedule(problem, device);
  return Error{"", "kernel exllama", fmt::format("more than {} rows for a sum of chains", kExllamaMostRows),
               std::to_string(problem.rows)};
}

}  // namespace assay
