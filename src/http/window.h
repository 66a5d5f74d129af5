// How many requests may be in flight to one endpoint: additive increase, multiplicative decrease, as in TCP (RFC 5681).
#pragma once

#include "base/index.h"

namespace assay {

class Window {
 public:
  // `size` and `most` are at least 1; a larger size is cut.
  Window(double size, Index most);

  double size() const { return size_; }
  Index free(Index in_flight) const { return static_cast<Index>(size_) - in_flight; }

  // To be kept with a request that starts now, for trouble().
  Index epoch() const { return epoch_; }

  void succeeded();  // one more after a whole window of successes

  // Halves, once for all the requests that were in flight together. False: that was done already.
  bool trouble(Index epoch_of_request);

 private:
  double size_;
  Index most_;
  Index successes_ = 0;
  Index epoch_ = 0;
};

}  // namespace assay
