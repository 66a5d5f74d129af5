#include "kernels/cuda/values_map.h"

#include "base/error.h"
#include "kernels/cuda/tensor_map_encoder.h"

namespace assay {
CUtensorMap values_map(const KvLayer& kv, Index columns, Index keys) {
  const auto d = static_cast<cuuint64_t>(kv.head_dim);
  const auto slots = static_cast<cuuint64_t>(kv.capacity);
  const cuuint64_t extents[] = {d, slots, static_cast<cuuint64_t>(kv.kv_heads)};
  const cuuint64_t strides[] = {d * sizeof(std::uint16_t), d * slots * sizeof(std::uint16_t)};
  const cuuint32_t box[] = {static_cast<cuuint32_t>(columns), static_cast<cuuint32_t>(keys), 1};
  const cuuint32_t steps[] = {1, 1, 1};
  CUtensorMap map = {};
  const CUresult result =
      tensor_map_encoder()(&map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 3, kv.values, extents, strides, box, steps,
                           CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_64B,
                           CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  require(result == CUDA_SUCCESS, "values that cuTensorMapEncodeTiled takes");
  return map;
}

}  // namespace assay
