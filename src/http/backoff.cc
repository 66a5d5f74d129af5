#include "http/backoff.h"

#include <curl/curl.h>

#include <algorithm>
#include <ctime>
#include <string>

namespace assay {

double backoff_s(int failures, double first_s, double most_s, SplitMix64& random) {
  double cap = first_s;
  for (int i = 1; i < failures && cap < most_s; ++i) cap *= 2;
  constexpr double kUnit = 0x1p-53;
  return std::min(cap, most_s) * (static_cast<double>(random.next() >> 11) * kUnit);
}

std::optional<double> retry_after_s(std::string_view value, std::int64_t unix_now_s) {
  if (value.empty()) return {};
  if (value.find_first_not_of("0123456789") == std::string_view::npos) {
    double seconds = 0;
    for (const char digit : value) seconds = seconds * 10 + (digit - '0');
    return seconds;
  }
  if (value.size() < 8) return {};  // no HTTP-date; curl_getdate would read "1.5" as an hour
  const std::time_t date = curl_getdate(std::string(value).c_str(), nullptr);
  if (date == -1) return {};
  return std::max(0.0, static_cast<double>(date - unix_now_s));
}

}  // namespace assay
