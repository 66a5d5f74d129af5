#include "http/window.h"

#include <algorithm>

namespace assay {

Window::Window(double size, Index most) : size_(std::min(size, static_cast<double>(most))), most_(most) {}

void Window::succeeded() {
  if (static_cast<double>(++successes_) < size_) return;
  successes_ = 0;
  size_ = std::min(size_ + 1, static_cast<double>(most_));
}

bool Window::trouble(Index epoch_of_request) {
  if (epoch_of_request != epoch_) return false;
  size_ = std::max(1.0, size_ / 2);
  successes_ = 0;
  ++epoch_;
  return true;
}

}  // namespace assay
