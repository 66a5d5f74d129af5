#include "engine/native/cuda/score_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace assay {
namespace {

template <class T>
std::vector<T> download(const DeviceBuffer<T>& buffer, std::size_t count, cudaStream_t stream) {
  std::vector<T> host(count);
  if (count > 0) buffer.download(host, stream);
  return host;
}

template <class T>
void make_room(DeviceBuffer<T>& buffer, std::size_t count) {
  if (buffer.size() < count) buffer = DeviceBuffer<T>(count);
}

}  // namespace

// What is read of rows of logits.
struct ScoreReader::Rows {
  std::vector<RowSummary> summaries;
  Index top = 0;                   // ids a row
  std::vector<std::int32_t> best;  // [rows, top]
  std::vector<float> best_logits;
  std::vector<float> asked_logits;  // of all ids asked for, row by row
  std::vector<std::int32_t> ranks;

  // `first_asked`: of the row's ids among all.
  PositionScores scores(std::size_t row, const AskedPosition& asked, std::size_t first_asked) const {
    const RowSummary& summary = summaries[row];
    const auto score = [&](TokenId id, float logit, std::int32_t rank) {
      return TokenScore{id, (logit - summary.max) - summary.log_sum, rank};
    };
    PositionScores all{asked.position, {}};
    all.scores.reserve(static_cast<std::size_t>(asked.top_k) + asked.ids.size());
    for (Index i = 0; i < asked.top_k; ++i) {
      const std::size_t at = row * static_cast<std::size_t>(top) + static_cast<std::size_t>(i);
      all.scores.push_back(score(best[at], best_logits[at], static_cast<std::int32_t>(i + 1)));
    }
    for (std::size_t i = 0; i < asked.ids.size(); ++i) {
      all.scores.push_back(score(asked.ids[i], asked_logits[first_asked + i], ranks[first_asked + i]));
    }
    const auto by_rank = [](const TokenScore& a, const TokenScore& b) { return a.rank < b.rank; };
    const auto same = [](const TokenScore& a, const TokenScore& b) { return a.id == b.id; };
    std::sort(all.scores.begin(), all.scores.end(), by_rank);
    all.scores.erase(std::unique(all.scores.begin(), all.scores.end(), same), all.scores.end());
    return all;
  }
};

// The ids asked for, row by row, and the row of each among those whose logits exist together.
struct ScoreReader::AskedIds {
  explicit AskedIds(std::span<const AskedPosition> asked) {
    for (std::size_t i = 0; i < asked.size(); ++i) {
      first.push_back(ids.size());
      ids.insert(ids.end(), asked[i].ids.begin(), asked[i].ids.end());
      row_of.resize(ids.size(), static_cast<std::int32_t>(i % CudaDecoder::kLogitsRows));
    }
    first.push_back(ids.size());
  }

  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> row_of;
  std::vector<std::size_t> first;  // of each row, and the end
};

// Everything is launched before anything is waited for.
ScoreReader::Rows ScoreReader::read_rows(CudaDecoder& decoder, std::span<const AskedPosition> asked,
                                         const AskedIds& ids, const ScoreReading& r) {
  Rows read;
  for (const AskedPosition& want : asked) read.top = std::max(read.top, want.top_k);
  const auto top = static_cast<std::size_t>(read.top);
  make_room(summaries_, asked.size());
  make_room(best_, asked.size() * top);
  make_room(best_logits_, asked.size() * top);
  for (DeviceBuffer<std::int32_t>* buffer : {&ids_, &row_of_, &ranks_}) make_room(*buffer, ids.ids.size());
  make_room(asked_logits_, ids.ids.size());
  if (!ids.ids.empty()) {
    ids_.upload(ids.ids, r.stream);
    row_of_.upload(ids.row_of, r.stream);
  }
  for (std::size_t start = 0; start < asked.size(); start += CudaDecoder::kLogitsRows) {
    const std::size_t rows =
        std::min(asked.size() - start, static_cast<std::size_t>(CudaDecoder::kLogitsRows));
    std::vector<std::int32_t> slots;
    for (const AskedPosition& want : asked.subspan(start, rows)) {
      slots.push_back(static_cast<std::int32_t>(want.position - 1));
    }
    const std::uint16_t* logits = decoder.logits(slots);
    const auto count = static_cast<Index>(rows);
    summarize_rows(r.dtype, logits, count, r.vocabulary, summaries_.data() + start, r.stream);
    if (top > 0) {
      top_tokens(r.dtype, logits, count, r.vocabulary, read.top, best_.data() + start * top,
                 best_logits_.data() + start * top, r.stream);
    }
    const std::size_t first = ids.first[start];
    const std::size_t end = ids.first[start + rows];
    if (first == end) continue;
    rank_tokens(r.dtype, logits, r.vocabulary, row_of_.data() + first, ids_.data() + first,
                static_cast<Index>(end - first), asked_logits_.data() + first, ranks_.data() + first,
                r.stream);
  }
  read.summaries = download(summaries_, asked.size(), r.stream);
  read.best = download(best_, asked.size() * top, r.stream);
  read.best_logits = download(best_logits_, asked.size() * top, r.stream);
  read.asked_logits = download(asked_logits_, ids.ids.size(), r.stream);
  read.ranks = download(ranks_, ids.ids.size(), r.stream);
  return read;
}

Result<std::vector<PositionScores>> ScoreReader::read(CudaDecoder& decoder,
                                                      std::span<const AskedPosition> asked,
                                                      const ScoreReading& reading) {
  if (asked.empty()) return std::vector<PositionScores>();
  const AskedIds ids(asked);
  const Rows rows = read_rows(decoder, asked, ids, reading);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const std::int32_t column = rows.summaries[i].first_not_finite;
    if (column < 0) continue;
    return Error{reading.model, fmt::format("logits of position {}", asked[i].position), "finite values",
                 fmt::format("another in column {}", column)};
  }
  std::vector<PositionScores> scores(asked.size());
  constexpr Index kTask = 256;
  const auto count = static_cast<Index>(asked.size());
  reading.pool.parallel_for(ceil_div(count, kTask), [&](Index task) {
    for (Index i = task * kTask; i < std::min(count, (task + 1) * kTask); ++i) {
      const auto at = static_cast<std::size_t>(i);
      scores[at] = rows.scores(at, asked[at], ids.first[at]);
    }
  });
  return scores;
}

}  // namespace assay
