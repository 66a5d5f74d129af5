#include "kernels/cuda/attention_tensor_map.h"

#include "kernels/cuda/gpu.h"
#include "kernels/cuda/tensor_map_encoder.h"

namespace assay {
CUtensorMap make_tensor_map(Dtype dtype, const Tensor3& tensor, int row_dimension, Index box_rows) {
  cuuint64_t extents[3] = {};
  cuuint64_t stride_bytes[2] = {};
  for (int i = 0; i < 3; ++i) extents[i] = static_cast<cuuint64_t>(tensor.extents[i]);
  for (int i = 0; i < 2; ++i) stride_bytes[i] = static_cast<cuuint64_t>(tensor.strides[i]) * 2;
  cuuint32_t box[3] = {64, 1, 1};
  box[row_dimension] = static_cast<cuuint32_t>(box_rows);
  const cuuint32_t steps[3] = {1, 1, 1};
  CUtensorMap map = {};
  const CUresult status = tensor_map_encoder()(
      &map, dtype == Dtype::bf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 3,
      const_cast<std::uint16_t*>(tensor.data), extents, stride_bytes, box, steps,
      CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
      CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (status != CUDA_SUCCESS) check_cuda(cudaErrorInvalidValue, "cuTensorMapEncodeTiled");
  return map;
}

}  // namespace assay
