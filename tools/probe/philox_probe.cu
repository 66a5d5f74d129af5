// The noise of torch's CUDA exponential_, element by element, from cuRAND itself: what
// src/engine/native/sampling.h says it is. Writes the golden file tests/golden/philox.txt to stdout:
//   # comments
//   threads COUNT SMS THREADS_PER_SM BLOCKS     the grid that torch would launch on such a device
//   draw SEED CALL COUNT SMS THREADS_PER_SM ELEMENT UNIFORM NOISE
// UNIFORM and NOISE are the FP32 bits in hexadecimal: curand_uniform4's number, and -__logf of it, or 2^-24
// from 1 - 2^-24 on. The grid is an argument of the launch, so any GPU gives the uniforms of any other; the
// fast logarithm is that of the GPU it runs on.
//
// Facts from PyTorch, ATen/native/cuda/DistributionTemplates.h (grid, stride, offset of a call) and
// ATen/core/TransformationHelper.h (the logarithm).
#include <curand_kernel.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr unsigned kBlock = 256;
constexpr int kLanes = 4;

void check(cudaError_t status, int line) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "philox_probe.cu:%d: %s\n", line, cudaGetErrorString(status));
  std::exit(1);
}

// Thread t of T takes elements t, t + T, t + 2T, t + 3T from one draw, then t + 4T, ... from the next.
__global__ void deal(unsigned long long seed, unsigned long long offset, long long count, float* uniform,
                     float* noise) {
  const long long thread = static_cast<long long>(blockIdx.x) * kBlock + threadIdx.x;
  const long long threads = static_cast<long long>(gridDim.x) * kBlock;
  curandStatePhilox4_32_10_t state;
  curand_init(seed, static_cast<unsigned long long>(thread), offset, &state);
  for (long long first = thread; first < count; first += threads * kLanes) {
    const float4 draw = curand_uniform4(&state);
    const float numbers[kLanes] = {draw.x, draw.y, draw.z, draw.w};
    for (int lane = 0; lane < kLanes; ++lane) {
      const long long element = first + lane * threads;
      if (element >= count) break;
      const float u = numbers[lane];
      uniform[element] = u;
      noise[element] = u >= 1.0F - 0x1p-24F ? 0x1p-24F : -__logf(u);
    }
  }
}

std::uint32_t bits(float x) {
  std::uint32_t word = 0;
  std::memcpy(&word, &x, sizeof word);
  return word;
}

struct Grid {
  long long count;
  int sms;
  int threads_per_sm;

  unsigned blocks() const {
    const long long needed = (count + kBlock - 1) / kBlock;
    const long long resident = static_cast<long long>(sms) * (threads_per_sm / static_cast<int>(kBlock));
    return static_cast<unsigned>(std::min(needed, resident));
  }
  // By how much a call moves the generator's offset.
  unsigned long long step() const {
    const auto round = static_cast<long long>(kBlock) * blocks() * kLanes;
    return static_cast<unsigned long long>((count - 1) / round + 1) * 4;
  }
};

void write(unsigned long long seed, int call, const Grid& grid) {
  float* device = nullptr;
  const auto n = static_cast<std::size_t>(grid.count);
  check(cudaMalloc(&device, 2 * n * sizeof(float)), __LINE__);
  deal<<<grid.blocks(), kBlock>>>(seed, static_cast<unsigned long long>(call) * grid.step(), grid.count, device,
                                  device + n);
  check(cudaGetLastError(), __LINE__);
  std::vector<float> host(2 * n);
  check(cudaMemcpy(host.data(), device, 2 * n * sizeof(float), cudaMemcpyDeviceToHost), __LINE__);
  check(cudaFree(device), __LINE__);
  // The ends, the smallest noise (where __logf is worst) and a stride that meets every lane.
  std::vector<std::size_t> elements = {0, 1, 255, 256, n - 1};
  elements.push_back(static_cast<std::size_t>(std::min_element(host.begin() + static_cast<long>(n), host.end()) -
                                              host.begin()) - n);
  for (std::size_t i = 7; i < n; i += n / 16 + 1) elements.push_back(i);
  for (const std::size_t i : elements) {
    std::printf("draw %llu %d %lld %d %d %zu %08x %08x\n", seed, call, grid.count, grid.sms, grid.threads_per_sm, i,
                bits(host[i]), bits(host[n + i]));
  }
}

}  // namespace

int main() {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0), __LINE__);
  std::printf("# tools/probe/philox_probe.cu on %s (compute capability %d.%d), cuRAND headers %d\n", properties.name,
              properties.major, properties.minor, CURAND_VERSION);
  // 300,000 elements are two draws for each of 40 multiprocessors' threads, and so are 1,000,000 for 108's.
  const Grid grids[] = {{4096, 108, 2048},   {4096, 132, 2048}, {151936, 108, 2048},
                        {151936, 132, 2048}, {300000, 40, 1024}, {1000000, 108, 2048}};
  for (const Grid& grid : grids) {
    std::printf("threads %lld %d %d %u\n", grid.count, grid.sms, grid.threads_per_sm, grid.blocks());
    for (const unsigned long long seed : {0ULL, 1ULL, 0x123456789abcdef0ULL}) {
      for (const int call : {0, 1, 99}) write(seed, call, grid);
    }
  }
  return 0;
}
