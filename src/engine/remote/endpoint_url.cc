#include "engine/remote/endpoint_url.h"

#include <fmt/format.h>

#include <algorithm>

#include "http/request_check.h"

namespace assay {

Result<std::vector<std::string>> endpoint_bases(const std::vector<std::string>& urls,
                                                const std::string& key) {
  if (urls.empty()) return Error{"", key, "at least one base URL", "none"};
  std::vector<std::string> bases;
  for (std::size_t i = 0; i < urls.size(); ++i) {
    const std::string where = fmt::format("{}[{}]", key, i);
    if (const auto parts = read_url(urls[i]); !parts) {
      return Error{"", where, parts.error().expected, parts.error().found};
    }
    if (urls[i].find_first_of("?#") != std::string::npos) {
      return Error{"", where, "a base URL without query and fragment", "one with them"};
    }
    std::string base = urls[i];
    while (base.ends_with('/')) base.pop_back();
    if (std::find(bases.begin(), bases.end(), base) != bases.end()) {
      return Error{"", where, "each endpoint once", base + " twice"};
    }
    bases.push_back(std::move(base));
  }
  return bases;
}

}  // namespace assay
