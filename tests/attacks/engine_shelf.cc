#include "attacks/engine_shelf.h"

#include "experiment/run.h"

namespace assay::attacks {

std::string key_of(const Setup& setup) { return setup.quantization + "@" + setup.device; }

Result<Engine*> EngineShelf::engine(const Setup& setup) {
  auto& kept = engines_[key_of(setup)];
  if (kept == nullptr) {
    auto opened = open_engine(setup, pool_);
    if (!opened) return opened.error();
    kept = *std::move(opened);
  }
  return kept.get();
}

Result<Setup> EngineShelf::described(Setup setup) {
  const auto opened = engine(setup);
  if (!opened) return opened.error();
  setup.ran = (*opened)->describe();
  std::string& hash = hashes_[setup.model];
  if (hash.empty()) {
    const auto hashed = hash_setups({setup}, pool_);
    if (!hashed) return hashed.error();
    hash = hashed->front().weights_sha256;
  }
  setup.weights_sha256 = hash;
  return setup;
}

}  // namespace assay::attacks
