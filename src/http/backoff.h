// How long to wait before the next try.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/splitmix.h"

namespace assay {

// After `failures` (at least 1) in a row: uniform in [0, min(most_s, first_s * 2^(failures-1))). Source: M. Brooker,
// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("full jitter").
double backoff_s(int failures, double first_s, double most_s, SplitMix64& random);

// A Retry-After header (RFC 9110, 10.2.3): seconds, or an HTTP-date seen from `unix_now_s`; never negative. Nothing:
// neither of them.
std::optional<double> retry_after_s(std::string_view value, std::int64_t unix_now_s);

}  // namespace assay
