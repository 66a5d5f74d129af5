// What this run ran on, for the manifest.
#pragma once

#include "record/record.h"

namespace assay {

// In this order: hostname, platform, os, cpu_name, cpu_count, simd, gpu_name, gpu_count, driver_version (with
// a GPU), compiler, assay_version, and the versions of the libraries that the numbers or the files pass
// through. hostname, platform, gpu_name and gpu_count are the seed's names. What cannot be found out is
// "unknown"; no GPU is gpu_name "none".
Environment capture_environment();

}  // namespace assay
