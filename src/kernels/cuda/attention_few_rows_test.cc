// Decode attention on tensor cores against the CPU's emulation of Hopper, bit for bit: rows at different positions of
// different sequences, in one cache with a common beginning, and a captured graph that is replayed as they grow.
#include "kernels/cuda/attention_case.h"

namespace assay {
namespace {

// Sequences that begin alike: their keys and values in one cache, the common beginning first, then each one's own.
class Sequences {
 public:
  // `lengths`: how many positions each has in the end.
  Sequences(const AttentionShape& shape, Index shared, const std::vector<Index>& lengths,
            float query_deviation)
      : shape_(shape), shared_(shared) {
    Index used = shared;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      cases_.emplace_back(shape, lengths[i], query_deviation, static_cast<unsigned>(10 * i));
      begin_as_first(cases_.back());
      firsts_.push_back(used);
      used += std::max(Index{0}, lengths[i] - shared) + 3;
    }
    capacity_ = used;
    keys_.assign(static_cast<std::size_t>(shape.kv_heads * capacity_ * shape.d), 0xffff);
    values_ = keys_;
    for (std::size_t i = 0; i < cases_.size(); ++i) store(i);
    device_keys_ = uploaded(keys_);
    device_values_ = uploaded(values_);
  }

  AttentionCase& sequence(Index i) { return cases_[static_cast<std::size_t>(i)]; }
  Index width() const { return shape_.heads * shape_.d; }

  DecodeRow decode_row(Index i, Index position) const {
    return {static_cast<std::int32_t>(position), static_cast<std::int32_t>(shared_),
            static_cast<std::int32_t>(firsts_[static_cast<std::size_t>(i)] - shared_)};
  }

  AttentionCall call(Index rows, const std::uint16_t* q, std::uint16_t* out) const {
    return {.dtype = shape_.dtype,
            .q = q,
            .q_stride = width() + 16,
            .rows = rows,
            .heads = shape_.heads,
            .kv = {device_keys_.data(), device_values_.data(), shape_.kv_heads, capacity_, shape_.d},
            .out = out};
  }

  // Rows of queries, width() + 16 apart.
  std::vector<std::uint16_t> queries(const std::vector<Index>& positions) const {
    std::vector<std::uint16_t> q;
    for (std::size_t i = 0; i < positions.size(); ++i) {
      const auto from = cases_[i].q.begin() + positions[i] * width();
      q.insert(q.end(), from, from + width());
      q.insert(q.end(), 16, 0xffff);
    }
    return q;
  }

  std::vector<std::uint16_t> on_cpu(const std::vector<Index>& positions) const {
    std::vector<std::uint16_t> out;
    for (std::size_t i = 0; i < positions.size(); ++i) {
      const auto row = cases_[i].on_cpu(Device::h100, positions[i], 1);
      out.insert(out.end(), row.begin(), row.end());
    }
    return out;
  }

 private:
  void begin_as_first(AttentionCase& other) const {
    for (Index head = 0; head < shape_.kv_heads; ++head) {
      const Index count = std::min({shared_, other.positions, cases_[0].positions}) * shape_.d;
      std::copy_n(cases_[0].keys.begin() + cases_[0].at(head, 0), count,
                  other.keys.begin() + other.at(head, 0));
      std::copy_n(cases_[0].values.begin() + cases_[0].at(head, 0), count,
                  other.values.begin() + other.at(head, 0));
    }
  }

  void store(std::size_t i) {
    const AttentionCase& from = cases_[i];
    for (Index head = 0; head < shape_.kv_heads; ++head) {
      for (Index p = 0; p < from.positions; ++p) {
        const Index slot = p < shared_ ? p : p + firsts_[i] - shared_;
        std::copy_n(from.keys.begin() + from.at(head, p), shape_.d,
                    keys_.begin() + (head * capacity_ + slot) * shape_.d);
        std::copy_n(from.values.begin() + from.at(head, p), shape_.d,
                    values_.begin() + (head * capacity_ + slot) * shape_.d);
      }
    }
  }

  AttentionShape shape_;
  Index shared_;
  Index capacity_ = 0;
  std::vector<AttentionCase> cases_;
  std::vector<Index> firsts_;  // slot of position `shared`
  std::vector<std::uint16_t> keys_, values_;
  DeviceBuffer<std::uint16_t> device_keys_, device_values_;
};

void check(const AttentionShape& shape, Index shared, const std::vector<Index>& lengths,
           float query_deviation = 1.0F) {
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    AttentionShape with_dtype = shape;
    with_dtype.dtype = dtype;
    const Sequences sequences(with_dtype, shared, lengths, query_deviation);
    std::vector<Index> positions;
    std::vector<DecodeRow> rows;
    for (const Index length : lengths) {
      rows.push_back(sequences.decode_row(static_cast<Index>(rows.size()), length - 1));
      positions.push_back(length - 1);
    }
    const auto count = static_cast<Index>(rows.size());
    const Index most = *std::max_element(lengths.begin(), lengths.end()) + 100;
    const auto q = uploaded(sequences.queries(positions));
    const auto device_rows = uploaded(rows);
    const auto out = poisoned<std::uint16_t>(count * sequences.width());
    const auto workspace =
        uploaded(std::vector<std::byte>(attention_few_rows_workspace(count, shape.heads, shape.d, most)));
    const AttentionCall call = sequences.call(count, q.data(), out.data());
    ASSERT_TRUE(supports_attention_few_rows(call));
    attention_few_rows(call, device_rows.data(), most, workspace.data(), nullptr);
    EXPECT_EQ(differences(dtype, downloaded(out), sequences.on_cpu(positions), sequences.width()), "")
        << (dtype == Dtype::fp16 ? "fp16" : "bf16") << " heads " << shape.heads << " d " << shape.d
        << " rows " << count << " shared " << shared;
  }
}

TEST(AttentionFewRows, IsTheCpusForEveryShape) {
  ASSAY_NEEDS_GPU(90);
  check({.heads = 4, .kv_heads = 2, .d = 64}, 0, {1});
  check({.heads = 4, .kv_heads = 2, .d = 64}, 30, {64, 65, 512, 513, 577, 20, 1100});
  check({.heads = 32, .kv_heads = 8, .d = 128}, 500, {640, 700, 511});
  check({.heads = 32, .kv_heads = 8, .d = 128}, 0, {2049});
  check({.heads = 8, .kv_heads = 1, .d = 128}, 129, {130, 1025});
  check({.heads = 8, .kv_heads = 2, .d = 128}, 700, {3600, 3000, 600});
  check({.heads = 3, .kv_heads = 1, .d = 64}, 64, std::vector<Index>(16, 200));
  check({.heads = 5, .kv_heads = 1, .d = 128}, 1000, {1536, 1537});
}

TEST(AttentionFewRows, IsTheCpusWherePeaksAreSharp) {
  ASSAY_NEEDS_GPU(90);
  check({.heads = 4, .kv_heads = 2, .d = 64}, 100, {900, 901, 1500, 70}, 30.0F);
}

TEST(AttentionFewRows, AGraphIsReplayedAsPositionsGrow) {
  ASSAY_NEEDS_GPU(90);
  const AttentionShape shape = {.heads = 8, .kv_heads = 2, .d = 128};
  const Sequences sequences(shape, 60, {130, 260}, 1.0F);
  auto q = poisoned<std::uint16_t>(2 * (sequences.width() + 16));
  auto rows = poisoned<DecodeRow>(2);
  const auto out = poisoned<std::uint16_t>(2 * sequences.width());
  const auto workspace = uploaded(std::vector<std::byte>(attention_few_rows_workspace(2, 8, 128, 300)));
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreate(&stream), "cudaStreamCreate");
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  attention_few_rows(sequences.call(2, q.data(), out.data()), rows.data(), 300, workspace.data(), stream);
  cudaGraph_t graph = nullptr;
  check_cuda(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  check_cuda(cudaGraphInstantiate(&executable, graph, 0), "cudaGraphInstantiate");
  const std::vector<std::vector<Index>> steps = {{58, 62}, {59, 63}, {60, 64}, {129, 259}, {0, 10}};
  for (const std::vector<Index>& positions : steps) {
    const auto queries = sequences.queries(positions);
    q.upload(queries, stream);
    const std::vector<DecodeRow> now = {sequences.decode_row(0, positions[0]),
                                        sequences.decode_row(1, positions[1])};
    rows.upload(now, stream);
    check_cuda(cudaGraphLaunch(executable, stream), "cudaGraphLaunch");
    wait(stream);
    EXPECT_EQ(differences(shape.dtype, downloaded(out), sequences.on_cpu(positions), sequences.width()), "")
        << positions[0];
  }
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
  cudaStreamDestroy(stream);
}

TEST(AttentionFewRows, SaysWhatItDoesNotSupport) {
  const auto call = [](Index rows, Index heads, Index kv_heads, Index d) {
    AttentionCall made;
    made.rows = rows;
    made.heads = heads;
    made.kv.kv_heads = kv_heads;
    made.kv.head_dim = d;
    return made;
  };
  EXPECT_TRUE(supports_attention_few_rows(call(16, 8, 1, 64)));
  EXPECT_FALSE(supports_attention_few_rows(call(17, 8, 1, 64)));
  EXPECT_FALSE(supports_attention_few_rows(call(1, 9, 1, 64)));
  EXPECT_FALSE(supports_attention_few_rows(call(1, 9, 2, 64)));
  EXPECT_FALSE(supports_attention_few_rows(call(1, 8, 1, 80)));
}

}  // namespace
}  // namespace assay
