// Share of a real kernel's outputs that a recipe gives with the same bits, case by case.
// Usage: kernel_report DEVICE KERNEL FILE [SAMPLES]   e.g. kernel_report h200 marlin_a marlin_a_awq.txt
#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>

#include "base/thread_pool.h"
#include "silicon/kernel_vectors.h"

namespace assay {
namespace {

int report(const DeviceSpec& device, const std::string& kernel, const std::string& file, std::size_t most) {
  const auto cases = read_kernel_cases(file);
  if (!cases) return std::fprintf(stderr, "%s\n", cases.error().message().c_str()), 2;
  const auto choice = choose_kernel((*cases)[0].problem.zero_points ? "awq_marlin" : "gptq_marlin",
                                    "vllm-0.11", device, kernel);
  if (!choice) return std::fprintf(stderr, "%s\n", choice.error().message().c_str()), 2;
  std::vector<std::string> lines(cases->size());
  std::vector<std::size_t> equal(cases->size());
  std::vector<std::size_t> all(cases->size());
  ThreadPool pool(static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
  pool.parallel_for(static_cast<Index>(cases->size()), [&](Index i) {
    const auto at = static_cast<std::size_t>(i);
    const KernelCase& c = (*cases)[at];
    const auto& expected = c.parts.at(0);
    const std::size_t count = std::min(most, expected.size());
    const auto outputs = replay(c, *choice, device, count);
    std::string line = c.kernel + " m=" + std::to_string(c.problem.rows) +
                       " n=" + std::to_string(c.problem.outputs) + " k=" + std::to_string(c.problem.inputs) +
                       ": ";
    if (outputs) {
      for (std::size_t j = 0; j < count; ++j) equal[at] += (*outputs)[j] == expected[j] ? 1 : 0;
      all[at] = count;
      line += std::to_string(equal[at]) + " of " + std::to_string(count);
    } else {
      line += outputs.error().message();
    }
    lines[at] = line;
  });
  std::size_t equal_sum = 0;
  std::size_t all_sum = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::printf("%s\n", lines[i].c_str());
    equal_sum += equal[i];
    all_sum += all[i];
  }
  std::printf("total %s on %s: %zu of %zu equal\n", kernel.c_str(), std::string(device.name).c_str(),
              equal_sum, all_sum);
  return 0;
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  if (argc < 4) return std::fprintf(stderr, "usage: kernel_report DEVICE KERNEL FILE [SAMPLES]\n"), 2;
  const auto device = assay::device_named(argv[1]);
  if (!device) return std::fprintf(stderr, "unknown device %s\n", argv[1]), 2;
  return assay::report(assay::spec_of(*device), argv[2], argv[3],
                       argc > 4 ? static_cast<std::size_t>(std::stoul(argv[4])) : std::size_t{1} << 20);
}
