#pragma once

#include <chrono>

namespace assay {

// Seconds of the steady clock.
inline double steady_now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace assay
