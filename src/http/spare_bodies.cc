#include "http/spare_bodies.h"

#include <algorithm>

namespace assay {
namespace {

constexpr std::size_t kMostKept = std::size_t{128} << 20;

bool holds_less(const std::string& spare, std::size_t bytes) { return spare.capacity() < bytes; }

}  // namespace

void SpareBodies::put(std::string body) {
  const std::size_t bytes = body.capacity();
  if (bytes > kMostKept - kept_) return;
  body.clear();
  kept_ += bytes;
  spares_.insert(std::lower_bound(spares_.begin(), spares_.end(), bytes, holds_less), std::move(body));
}

std::string SpareBodies::take(std::size_t bytes) {
  const auto found = std::lower_bound(spares_.begin(), spares_.end(), bytes, holds_less);
  std::string body;
  if (found == spares_.end()) {
    body.reserve(bytes);
    return body;
  }
  body = std::move(*found);
  kept_ -= body.capacity();
  spares_.erase(found);
  return body;
}

}  // namespace assay
