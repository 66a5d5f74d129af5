// Memory of bodies that were read, for bodies to come: each fresh page costs a fault, at 4 kB a page more than the
// copying of its bytes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace assay {

class SpareBodies {
 public:
  void put(std::string body);

  // Empty, with room for `bytes`: the smallest spare that has it, else a new one.
  std::string take(std::size_t bytes);

 private:
  std::vector<std::string> spares_;  // ascending in capacity
  std::size_t kept_ = 0;             // sum of the capacities
};

}  // namespace assay
