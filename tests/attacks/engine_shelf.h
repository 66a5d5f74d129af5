// Engines by setup, opened once and kept: workshops of many seeds share one shelf.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/thread_pool.h"
#include "engine/engine.h"

namespace assay::attacks {

// A static one is to be made with `new` and kept: OpenSSL, which its threads hash with, is gone when statics end.
class EngineShelf {
 public:
  explicit EngineShelf(int threads) : pool_(threads) {}

  // Valid as long as the shelf. Error: as open_engine.
  Result<Engine*> engine(const Setup& setup);

  // The setup with weights_sha256 and ran as an honest record of it has them.
  Result<Setup> described(Setup setup);

 private:
  ThreadPool pool_;
  std::map<std::string, std::unique_ptr<Engine>> engines_;  // by key_of
  std::map<std::string, std::string> hashes_;               // by model
};

// Tells apart the setups of tiny_setups.h.
std::string key_of(const Setup& setup);

}  // namespace assay::attacks
