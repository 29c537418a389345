// Attention over cached keys, whatever the policy. Policies decide on the host, one query at a
// time, and read keys through a KeyReader that scores on the device; then all queries attend in one
// launch, except where a policy wants to know the weights before its next query. A query's keys are
// cut into parts that different blocks attend to, and the parts are brought together in order.
#include "gsa/cuda/cached_attention.cuh"

#include <algorithm>

#include "gsa/cuda/general.cuh"
#include "gsa/kernels/decode.h"

namespace unfold::gsa::kernels::cuda {
namespace {

// Keys that one block attends to.
constexpr std::int64_t kPartKeys = 256;

// Keys [begin, end) of a section, or nullptr for none.
template <typename T>
CacheSegment<T> segment_of(const KeyStore& store, const CacheSpan& span, std::int64_t kv_head) {
  core::check(span.section >= 0 && span.section < store.sections() && span.begin >= 0 &&
                  span.begin <= span.end && span.end <= store.size(span.section),
              "cached_attention", "keys {} to {} of section {}", span.begin, span.end,
              span.section);
  if (span.begin == span.end) return {nullptr, nullptr, 0};
  const Tensor& keys = store.keys(span.section);
  const std::int64_t at = (kv_head * keys.dim(1) + span.begin) * keys.dim(2);
  return {keys.data<T>() + at, store.values(span.section).data<T>() + at, span.end - span.begin};
}

template <typename T>
class CudaKeys : public KeyReader {
 public:
  CudaKeys(const KeyStore& store, std::int64_t kv_head, std::int64_t width, core::Device device)
      : store_(store), kv_head_(kv_head), width_(width), device_(device) {}

  void score(const CacheSpan& span, std::span<const double> query, double* scores) const override {
    const CacheSegment<T> segment = segment_of<T>(store_, span, kv_head_);
    if (segment.count == 0) return;
    const Tensor vector = Tensor::from(query, {static_cast<std::int64_t>(query.size())}, device_);
    const Tensor result = Tensor::empty({segment.count}, core::DType::float64, device_);
    score_keys<T><<<grid_extent(blocks_of(segment.count, kTileWarps)), kTileThreads, 0, stream()>>>(
        vector.data<double>(), segment.keys, segment.count, static_cast<int>(width_),
        result.data<double>());
    check_launch("score_keys");
    core::copy_bytes(core::Device{}, scores, device_, result.raw(), result.bytes());
  }

  void read(const CacheSpan& span, double* out) const override {
    const CacheSegment<T> segment = segment_of<T>(store_, span, kv_head_);
    if (segment.count == 0) return;
    std::vector<T> keys(static_cast<std::size_t>(segment.count * width_));
    core::copy_bytes(core::Device{}, keys.data(), device_, segment.keys, keys.size() * sizeof(T));
    for (std::size_t i = 0; i < keys.size(); ++i) out[i] = static_cast<double>(keys[i]);
  }

 private:
  const KeyStore& store_;
  std::int64_t kv_head_, width_;
  core::Device device_;
};

// Appends the keys and values of the new tokens of one sequence.
template <typename T>
void store_sequence(const Tensor& qkv, const AttentionShape& shape, const CachedTokens& sequence) {
  const SequenceTokens& tokens = *sequence.tokens;
  make_room(sequence);
  const KeyStore& store = *sequence.store;
  std::vector<CacheSlot<T>> slots;
  for (std::int64_t t = sequence.first; t < tokens.size(); ++t) {
    const int section = section_of(tokens.level(t));
    const std::int64_t at = tokens.before(section, t) * shape.width;
    const Tensor& keys = store.keys(section);
    slots.push_back(
        {keys.data<T>() + at, store.values(section).data<T>() + at, keys.dim(1) * shape.width});
  }
  if (slots.empty()) return;
  const Tensor on_device = upload(slots, qkv.device());
  const auto threads = static_cast<unsigned>(
      std::min<std::int64_t>(256, blocks_of(shape.kv_heads * shape.width, kWarp) * kWarp));
  store_tokens<T><<<grid_extent(static_cast<std::int64_t>(slots.size())), threads, 0, stream()>>>(
      Heads(shape), qkv.data<T>(), uploaded<CacheSlot<T>>(on_device), sequence.row);
  check_launch("store_tokens");
}

// Queries that have been selected for and are still to attend.
template <typename T>
class Pending {
  using A = Accumulator<T>;

 public:
  Pending(const Tensor& qkv, const AttentionShape& shape, const Tensor& out)
      : qkv_(qkv),
        shape_(shape),
        out_(out),
        lse_(Tensor::empty({qkv.dim(0), shape.heads}, core::accumulator_of(qkv.dtype()),
                           qkv.device())) {}

  // A query over normalised spans.
  void add(const KeyStore& store, const std::vector<CacheSpan>& spans, std::int64_t row,
           std::int64_t kv_head) {
    const auto head = static_cast<int>(kv_head);
    const auto first = static_cast<int>(parts_.size());
    std::int64_t room = 0;  // keys that the last part still takes
    for (const CacheSpan& span : spans) {
      for (std::int32_t begin = span.begin; begin < span.end;) {
        if (room == 0) {
          const auto segment = static_cast<int>(segments_.size());
          parts_.push_back({row, head, segment, segment});
          room = kPartKeys;
        }
        const auto end = static_cast<std::int32_t>(std::min<std::int64_t>(span.end, begin + room));
        segments_.push_back(segment_of<T>(store, {span.section, begin, end}, kv_head));
        ++parts_.back().last;
        room -= end - begin;
        begin = end;
      }
    }
    tasks_.push_back({row, head, first, static_cast<int>(parts_.size())});
  }

  void attend_all() {
    if (tasks_.empty()) return;
    const core::Device device = qkv_.device();
    const Tensor tasks = upload(tasks_, device);
    const Tensor parts = upload(parts_, device);
    const Tensor segments = upload(segments_, device);
    const Heads heads(shape_);
    const CacheQueries<T> source{uploaded<CachePart>(parts), uploaded<CacheSegment<T>>(segments),
                                 heads, static_cast<int>(blocks_of(heads.group, kTileRows))};
    const auto count = static_cast<std::int64_t>(parts_.size());
    const core::DType wide = core::accumulator_of(qkv_.dtype());
    const Tensor part_out = Tensor::empty({count, shape_.group() * shape_.width}, wide, device);
    const Tensor part_lse = Tensor::empty({count, shape_.group()}, wide, device);
    launch_attend<T, A>(source, dim3(grid_extent(count * source.pieces)), heads, qkv_.data<T>(),
                        part_out.data<A>(), part_lse.data<A>());
    combine_parts<T>
        <<<grid_extent(static_cast<std::int64_t>(tasks_.size())), kTileThreads, 0, stream()>>>(
            heads, uploaded<CacheTask>(tasks), part_out.data<A>(), part_lse.data<A>(),
            out_.data<T>(), lse_.data<A>());
    check_launch("combine_parts");
    tasks_.clear();
    parts_.clear();
    segments_.clear();
  }

  // The same for one query alone; returns the attention each of its `keys` keys got.
  std::vector<double> attend_one(const KeyStore& store, const std::vector<CacheSpan>& spans,
                                 std::int64_t keys, std::int64_t row, std::int64_t kv_head) {
    attend_all();
    add(store, spans, row, kv_head);
    const CacheTask task = tasks_.back();
    const std::vector<CacheSegment<T>> segments = segments_;
    attend_all();
    const Tensor weights = Tensor::empty({keys}, core::DType::float64, qkv_.device());
    std::int64_t at = 0;
    for (const CacheSegment<T>& segment : segments) {
      const unsigned blocks = grid_extent(blocks_of(segment.count, kTileWarps));
      segment_weights<T><<<blocks, kTileThreads, 0, stream()>>>(Heads(shape_), qkv_.data<T>(),
                                                                lse_.data<A>(), task, segment,
                                                                weights.data<double>() + at);
      check_launch("segment_weights");
      at += segment.count;
    }
    std::vector<double> result(static_cast<std::size_t>(keys));
    core::copy_bytes(core::Device{}, result.data(), weights.device(), weights.raw(),
                     weights.bytes());
    return result;
  }

 private:
  const Tensor& qkv_;
  const AttentionShape& shape_;
  const Tensor& out_;
  Tensor lse_;
  std::vector<CacheTask> tasks_;
  std::vector<CachePart> parts_;
  std::vector<CacheSegment<T>> segments_;
};

// The queries of one sequence on the host, as policies take them.
class HostQueries {
 public:
  template <typename T>
  static HostQueries read(const Tensor& qkv, const AttentionShape& shape, std::int64_t first_row,
                          std::int64_t rows) {
    HostQueries queries;
    queries.shape_ = shape;
    queries.first_row_ = first_row;
    std::vector<T> values(static_cast<std::size_t>(rows * shape.qkv_width()));
    core::copy_bytes(core::Device{}, values.data(), qkv.device(),
                     qkv.data<T>() + first_row * shape.qkv_width(), values.size() * sizeof(T));
    queries.values_.reserve(static_cast<std::size_t>(rows * shape.out_width()));
    for (std::int64_t row = 0; row < rows; ++row) {
      const T* from = values.data() + row * shape.qkv_width();
      for (std::int64_t i = 0; i < shape.out_width(); ++i) {
        queries.values_.push_back(static_cast<double>(from[i]));
      }
    }
    return queries;
  }

  std::span<const double> heads(std::int64_t row, std::int64_t kv_head) const {
    const std::int64_t group = shape_.group() * shape_.width;
    return std::span(values_).subspan(
        static_cast<std::size_t>((row - first_row_) * shape_.out_width() + kv_head * group),
        static_cast<std::size_t>(group));
  }

 private:
  AttentionShape shape_;
  std::int64_t first_row_ = 0;
  std::vector<double> values_;  // (rows, out_width)
};

template <typename T>
void run_head(const CachedTokens& sequence, std::int64_t kv_head, const AttentionShape& shape,
              const HostQueries& queries, core::Device device, Pending<T>& pending,
              ReadCount& count) {
  HeadPolicy& policy = *sequence.heads[static_cast<std::size_t>(kv_head)];
  const CudaKeys<T> keys(*sequence.store, kv_head, shape.width, device);
  std::vector<CacheSpan> spans;
  for (std::int64_t t = sequence.first_shown(); t < sequence.tokens->size(); ++t) {
    const std::int64_t row = sequence.row + t - sequence.first;
    const PolicyQuery query = {t, queries.heads(row, kv_head), keys, *sequence.tokens};
    if (t < sequence.prefix) {
      policy.observe(query);
      continue;
    }
    spans.clear();
    SelectionTrace trace;
    policy.select(query, spans, trace);
    normalise(spans);
    const std::int64_t read = count_keys(spans);
    core::check(read > 0, "cached_attention", "a query that reads no key");
    if (policy.wants_weights()) {
      const std::vector<double> weights =
          pending.attend_one(*sequence.store, spans, read, row, kv_head);
      policy.attended(query, spans, weights);
    } else {
      pending.add(*sequence.store, spans, row, kv_head);
    }
    count.keys += read;
    count.scored += trace.scored;
    ++count.units;
    if (sequence.observer != nullptr) (*sequence.observer)(kv_head, t, trace, spans);
  }
}

}  // namespace

void cached_attention(const Tensor& qkv, const AttentionShape& shape,
                      std::span<CachedTokens> sequences, const Tensor& out) {
  core::cuda::use(qkv.device().index);
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (const CachedTokens& sequence : sequences) store_sequence<T>(qkv, shape, sequence);
    Pending<T> pending(qkv, shape, out);
    for (CachedTokens& sequence : sequences) {
      const std::int64_t begin = sequence.first_shown();
      const std::int64_t rows = sequence.tokens->size() - begin;
      if (rows <= 0) continue;
      const HostQueries queries =
          HostQueries::read<T>(qkv, shape, sequence.row + begin - sequence.first, rows);
      for (std::int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
        run_head<T>(sequence, kv_head, shape, queries, qkv.device(), pending, sequence.count);
      }
    }
    pending.attend_all();
  });
}

}  // namespace unfold::gsa::kernels::cuda
