// A schedule as few_rows.cu runs it: a block for each strip of 32 outputs, for each of its warps a list of pieces of K,
// and the additions of the strip.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/schedule.h"

namespace assay {

// Units of 32 k: first, first + stride, ... . Their sum is that of a walk; in a paired program the first halves of the
// units are one walk and the second halves another.
struct alignas(16) FewRowsPiece {
  std::int32_t first = 0;
  std::int32_t stride = 0;
  std::int32_t units = 0;  // 0: the end of a warp's list
  std::int16_t walks[2] = {};
};

struct FewRowsAdd {
  std::int32_t into, from;
};

// Of one strip.
struct alignas(16) FewRowsSum {
  std::int32_t first_add, adds;
  std::int32_t walks;
  std::int32_t rounds_walks;  // 0 or 1
};

struct FewRowsProgram {
  int warps = 0;
  int pieces_per_warp = 0;  // the end included
  int most_walks = 0;
  int most_adds = 0;
  bool paired = false;
  bool has_empty_walks = false;
  std::vector<FewRowsPiece> pieces;  // [strips][warps][pieces_per_warp]
  std::vector<FewRowsSum> sums;      // [strips]
  std::vector<FewRowsAdd> adds;
};

// Nothing where a strip has not one order, or where a walk is neither contiguous nor runs of 32 (or, in pairs of
// neighbours, of 16) at multiples of 32.
std::optional<FewRowsProgram> few_rows_program(const Schedule& cut, Index outputs, Index inputs);

}  // namespace assay
