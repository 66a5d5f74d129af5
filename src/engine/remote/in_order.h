// Results that end in any order, handed on in the order of their jobs.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/index.h"

namespace assay {

template <class Answer>
class InOrder {
 public:
  explicit InOrder(std::function<Result<void>(Index job, Answer answer)> take) : take_(std::move(take)) {}

  // Each job once. Takes it, and what waited for it; an Error is take's.
  Result<void> put(Index job, Answer answer) {
    waiting_.emplace(job, std::move(answer));
    for (auto first = waiting_.begin(); first != waiting_.end() && first->first == next_;
         first = waiting_.begin()) {
      Answer ready = std::move(first->second);
      waiting_.erase(first);
      if (auto taken = take_(next_, std::move(ready)); !taken) return taken;
      ++next_;
    }
    return {};
  }

 private:
  std::function<Result<void>(Index, Answer)> take_;
  std::map<Index, Answer> waiting_;
  Index next_ = 0;
};

}  // namespace assay
