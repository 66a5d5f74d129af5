// The positions first .. first + rows - 1 that an engine sends through the layers together: what a kernel's tiles and
// splits are chosen for.
#pragma once

#include "base/index.h"

namespace assay {

struct Pass {
  Index first = 0;
  Index rows = 0;
  bool operator==(const Pass&) const = default;
};

}  // namespace assay
