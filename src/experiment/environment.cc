#include "experiment/environment.h"

#include <fmt/core.h>
#include <gnu/libc-version.h>
#include <hwy/highway.h>
#include <openssl/crypto.h>
#include <sys/utsname.h>
#include <unistd.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "base/json.h"
#include "engine/engine.h"
#include "experiment/program.h"

namespace assay {
namespace {

// The rest of the first line of `file` that starts with `prefix`, past any of " \t:=\"", or "unknown".
std::string line_after(const char* file, const std::string& prefix) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(prefix)) continue;
    const std::size_t begin = line.find_first_not_of(" \t:=\"", prefix.size());
    const std::size_t end = line.find_last_not_of(" \t\"");
    if (begin != std::string::npos) return line.substr(begin, end - begin + 1);
  }
  return "unknown";
}

std::string platform() {
  utsname name = {};
  if (::uname(&name) != 0) return "unknown";
  return fmt::format("{}-{}-{}-with-glibc{}", name.sysname, name.release, name.machine,
                     ::gnu_get_libc_version());
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

// Highway's names of what this CPU can run, best first.
std::string simd() {
  std::string names;
  for (std::int64_t targets = hwy::SupportedTargets(); targets != 0; targets &= targets - 1) {
    names += (names.empty() ? "" : " ") + std::string(hwy::TargetName(targets & -targets));
  }
  return names;
}

std::string pcre2_version() {
  char text[64] = {};
  ::pcre2_config(PCRE2_CONFIG_VERSION, text);
  return text;
}

void add_gpu(Environment& environment) {
  const auto listed = run_program({"nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"});
  std::string name = "none";
  std::string driver;
  int count = 0;
  if (listed) {
    std::istringstream lines(*listed);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t comma = line.rfind(", ");
      if (comma == std::string::npos) continue;
      if (count++ == 0) name = line.substr(0, comma);
      driver = line.substr(comma + 2);
    }
  }
  environment.emplace_back("gpu_name", name);
  environment.emplace_back("gpu_count", std::to_string(count));
  if (count > 0) environment.emplace_back("driver_version", driver);
}

std::string compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

}  // namespace

Environment capture_environment() {
  Environment environment = {
      {"hostname", host_name()},
      {"platform", platform()},
      {"os", line_after("/etc/os-release", "PRETTY_NAME")},
      {"cpu_name", line_after("/proc/cpuinfo", "model name")},
      {"cpu_count", std::to_string(std::thread::hardware_concurrency())},
      {"simd", simd()},
  };
  add_gpu(environment);
  environment.insert(
      environment.end(),
      {
          {"compiler", compiler()},
          {"assay_version", ASSAY_VERSION},
          {"numerics_version", std::to_string(kNumericsVersion)},
          {"fmt_version",
           fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
          {"nlohmann_json_version", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR,
                                                NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)},
          {"yaml_cpp_version", ASSAY_YAML_CPP_VERSION},
          {"highway_version", fmt::format("{}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH)},
          {"openssl_version", ::OpenSSL_version(OPENSSL_VERSION_STRING)},
          {"pcre2_version", pcre2_version()},
      });
  return environment;
}

}  // namespace assay
