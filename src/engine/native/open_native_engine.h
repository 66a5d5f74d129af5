// From a setup to the engine that computes everything itself.
#pragma once

#include <memory>

#include "engine/engine.h"

namespace assay {

// As open_engine, of a setup without a server.
Result<std::unique_ptr<Engine>> open_native_engine(const Setup& setup, ThreadPool& pool,
                                                   const EngineOptions& options);

}  // namespace assay
