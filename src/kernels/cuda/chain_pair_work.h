// The work of chain_pair.cu as lists: which rows and columns a pair of blocks computes at a time, and where their slices
// of K end.
#pragma once

#include <optional>
#include <vector>

#include "kernels/schedule.h"

namespace assay {

inline constexpr int kPairUnits = 3;
inline constexpr int kPairUnitRows = 64;
inline constexpr int kPairItemColumns = 256;  // Marlin's widest tile
inline constexpr int kPairTileK = 64;

// Slices of K from 0 on; the slice that ends at e is two walks from zero, the first through the first `run` of every
// 2 run k's, the second through the others. Walk sums are added, then slices, the last first.
struct PairOrder {
  Index run = 0;  // 16 or 32
  std::vector<Index> ends;
};
// Nothing for an order of another form.
std::optional<PairOrder> pair_order_of(const SumOrder& order, Index inputs);

// Up to 64 rows of one order. 0 rows: computed and not written.
struct PairUnit {
  int row, rows;
  int ends, slices;  // PairWork::ends[ends .. ends + slices)
};

struct PairItem {
  int column;
  int parked;  // first of the places where its slices wait
  PairUnit units[kPairUnits];
};

struct PairWork {
  Index run = 0;
  Index inputs = 0;
  std::vector<int> ends;        // k-tiles
  std::vector<PairItem> items;  // item i: cluster i % clusters
  int parked = 0;               // places in all
};
PairWork pair_work(const Schedule& taken, int clusters);

}  // namespace assay
