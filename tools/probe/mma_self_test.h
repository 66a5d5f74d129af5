// What of mma_probe can be tested without a GPU.
#pragma once

namespace assay_probe {

// Prints each check and returns whether all hold.
bool mma_self_test();

}  // namespace assay_probe
