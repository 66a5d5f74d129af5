# Flags that every translation unit is compiled with. The arithmetic contract (docs/numerics.md) needs IEEE
# semantics: no contraction, no value-changing optimisation. tools/check_flags.py holds the build to it.
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off;-Wall;-Wextra;-Wconversion;-Wshadow;-Wundef;-Werror>")
# nvcc: IEEE division, square root and subnormals are its defaults; -fmad=false forbids contraction.
add_compile_options("$<$<COMPILE_LANGUAGE:CUDA>:-fmad=false;--expt-relaxed-constexpr;-Werror=all-warnings;-Xcompiler=-ffp-contract=off,-Wall,-Wextra,-Werror>")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-Wno-stringop-overflow;-Wno-restrict>")  # g++ 12 sees both where there is none (fmt, std::string)
endif()
