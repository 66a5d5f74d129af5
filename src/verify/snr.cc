#include "verify/snr.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace assay {

double signal_to_noise(double signal, double noise) {
  require(signal >= 0 && noise >= 0, "signal and noise are distances");
  if (signal == 0 || std::isinf(noise)) return 0;
  if (noise == 0) return std::numeric_limits<double>::infinity();
  return signal / noise;
}

Detectability detectability(double snr) {
  if (snr > 100) return Detectability::trivially;
  if (snr > 10) return Detectability::clearly;
  if (snr > 3) return Detectability::marginally;
  return Detectability::not_reliably;
}

const char* label(Detectability detectability) {
  switch (detectability) {
    case Detectability::trivially:
      return "TRIVIALLY DETECTABLE";
    case Detectability::clearly:
      return "CLEARLY DETECTABLE";
    case Detectability::marginally:
      return "MARGINALLY DETECTABLE";
    case Detectability::not_reliably:
      break;
  }
  return "NOT RELIABLY DETECTABLE";
}

}  // namespace assay
