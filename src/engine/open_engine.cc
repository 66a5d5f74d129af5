#include "engine/native/open_native_engine.h"
#include "engine/remote/remote_engine.h"

namespace assay {

Result<std::unique_ptr<Engine>> open_engine(const Setup& setup, ThreadPool& pool,
                                            const EngineOptions& options) {
  if (setup.server) return open_remote_engine(setup, options);
  return open_native_engine(setup, pool, options);
}

}  // namespace assay
