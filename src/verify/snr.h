// Signal over noise, and the seed's words for it.
#pragma once

#include <cstdint>

namespace assay {

enum class Detectability : std::uint8_t { trivially, clearly, marginally, not_reliably };

// signal / noise; both are distances (>= 0, perhaps infinite). Never NaN: no signal is 0 whatever the noise,
// infinite noise hides any signal (0), and any signal over no noise is infinite.
double signal_to_noise(double signal, double noise);

// > 100 trivially, > 10 clearly, > 3 marginally, else not reliably.
Detectability detectability(double snr);

// "TRIVIALLY DETECTABLE", "CLEARLY DETECTABLE", "MARGINALLY DETECTABLE", "NOT RELIABLY DETECTABLE".
const char* label(Detectability detectability);

}  // namespace assay
