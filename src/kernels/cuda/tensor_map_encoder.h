// The driver's encoder of tensor maps, by its name at run time: libcuda is not linked, so that programs start where there
// is no driver.
#pragma once

#include <cuda.h>

namespace assay {

// GpuFailure where the driver is too old.
decltype(&cuTensorMapEncodeTiled) tensor_map_encoder();

}  // namespace assay
