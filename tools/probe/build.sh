#!/bin/sh
# Builds mma_probe, gemm_probe, split_sweep and philox_probe, apart from the project's own build: build.sh OUTDIR
# Needs nvcc 13.0 or later (CUDA_HOME where it is not on PATH) and fmt's headers. The programs run on another
# machine: the CUDA runtime, libstdc++ and fmt are linked in; cuBLAS is found there.
set -eu
out=${1:?usage: build.sh OUTDIR}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cuda=${CUDA_HOME:-$(dirname "$(dirname "$(command -v nvcc)")")}
[ -d "$cuda/include" ] && [ -e "$cuda/include/cuda.h" ] || cuda=/usr/local/cuda
lib=$cuda/lib64
[ -d "$lib" ] || lib=$cuda/lib
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

device() {
  nvcc -std=c++20 -O3 -fmad=false -gencode arch=compute_90a,code=sm_90a -Xcompiler -Wall,-Wextra \
    -c "$here/$1.cu" -o "$work/$1.o"
}
host() {
  g++ -std=c++20 -O3 -ffp-contract=off -Wall -Wextra -Wconversion -Wshadow -Wundef -DFMT_HEADER_ONLY \
    -I"$root/src" -I"$here" -isystem "$cuda/include" -c "$1" -o "$work/$(basename "$1" .cc).o"
}
# program NAME OBJECTS... -- LIBRARIES...
program() {
  name=$1
  shift
  objects=
  while [ "$1" != -- ]; do
    objects="$objects $work/$1.o"
    shift
  done
  shift
  # shellcheck disable=SC2086
  g++ -s $objects -L"$lib" "$@" -lcudart_static -ldl -lrt -lpthread -static-libstdc++ -static-libgcc \
    -Wl,-rpath,/usr/local/cuda/lib64:/usr/local/cuda-13.0/lib64 -o "$out/$name"
}

model="step_model dot_model arithmetic error"
for file in mma_kernels wgmma_kernels gemm_kernels; do device $file; done
for file in src/emulator/dot_model.cc src/emulator/arithmetic.cc src/base/error.cc; do host "$root/$file"; done
for file in "$here"/*.cc; do host "$file"; done
# shellcheck disable=SC2086
program mma_probe mma_probe mma_report mma_self_test tile_check tile_families special_cases golden instructions \
  mma_kernels wgmma_kernels $model --
# shellcheck disable=SC2086
program gemm_probe gemm_probe gemm_report gemm_self_test gemm_recipes gemm_evaluate gemm_run kernel_names \
  gemm_kernels $model -- -lcublas -lcublasLt
# shellcheck disable=SC2086
program split_sweep split_sweep gemm_run kernel_names error -- -lcublas -lcublasLt
nvcc -std=c++20 -O3 -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90 -Xcompiler -Wall,-Wextra \
  "$here/philox_probe.cu" -o "$out/philox_probe"
