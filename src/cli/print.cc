#include "cli/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "emulator/device.h"
#include "emulator/isa.h"
#include "experiment/environment.h"
#include "kernels/gpus.h"
#include "kernels/recipes/choose.h"
#include "record/infinite_json.h"
#include "report/json.h"
#include "report/tables.h"
#include "report/text.h"

namespace assay {
namespace {

template <class T>
std::string render(const T& analysis, Format format) {
  switch (format) {
    case Format::text:
      return text_report(analysis);
    case Format::json:
      return dump_json(json_report(analysis));
    case Format::md:
      return markdown_report(analysis);
    case Format::csv:
      return csv_report(analysis);
    case Format::seed:
      break;  // a file's export, not an analysis's: main calls export_seed
  }
  throw Fault("an analysis has no such printer");
}

}  // namespace

Result<void> print(const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (written && std::fflush(stdout) == 0) return {};
  return Error{"stdout", "", "room for the report", std::strerror(errno)};
}

Result<void> print_analysis(const Analysis& analysis, Format format) {
  return print(std::visit([format](const auto& a) { return render(a, format); }, analysis));
}

Result<void> print_doctor() {
  std::string text;
  for (const auto& [key, value] : capture_environment()) text += fmt::format("{:<22} {}\n", key, value);
  std::vector<std::string_view> isas;
  for (const Isa isa : available_isas()) isas.push_back(name_of(isa));
  std::vector<std::string_view> devices;
  for (const DeviceSpec& device : device_table()) devices.push_back(device.name);
  text +=
      fmt::format("{:<22} {} (used: {})\n", "instruction_sets", fmt::join(isas, " "), name_of(fastest_isa()));
  text += fmt::format("{:<22} {}\n", "cuda", has_cuda() ? "built in" : "not built in");
  const GpuList gpus = list_gpus();
  for (const Gpu& gpu : gpus.gpus) {
    text += fmt::format("{:<22} {}, compute capability {}.{}, {} multiprocessors, {:.0f} GB: {}\n", "gpu",
                        gpu.name, gpu.capability / 10, gpu.capability % 10, gpu.sm_count,
                        static_cast<double>(gpu.memory) * 1e-9,
                        family_of_capability(gpu.capability) ? "used" : "not supported");
  }
  if (gpus.gpus.empty()) text += fmt::format("{:<22} none: {}\n", "gpu", gpus.reason);
  text += fmt::format("{:<22} {}\n", "devices", fmt::join(devices, " "));
  text += fmt::format("{:<22} {}\n", "quantizations", fmt::join(quantization_names(), " "));
  text += fmt::format("{:<22} {}\n", "profiles", fmt::join(profile_names(), " "));
  text += fmt::format("{:<22} {}\n", "kernels", fmt::join(kernel_names(), " "));
  return print(text);
}

int exit_code_of(const Analysis& analysis) {
  const auto* verification = std::get_if<VerificationAnalysis>(&analysis);
  if (verification == nullptr) return 0;
  switch (verification->verdict.outcome) {
    case Outcome::consistent:
      return 0;
    case Outcome::refuted:
      return 1;
    case Outcome::inconclusive:
      return 3;
  }
  return 2;
}

}  // namespace assay
