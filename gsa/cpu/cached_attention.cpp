#include "gsa/kernels/decode.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/cpu/scalar.h"
#include "core/parallel.h"
#include "core/parallel_deal.h"
#include "gsa/cpu/observation.h"
#include "gsa/cpu/span_attention.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

template <typename A>
using Matrix = Eigen::Matrix<A, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename T>
using Rows = Eigen::Map<const Matrix<T>>;

// Keys or values of one head: `count` rows from `begin` on.
template <typename T>
Rows<T> rows_of(const Tensor& section, std::int64_t kv_head, std::int64_t begin,
                std::int64_t count) {
  const std::int64_t width = section.dim(2);
  const T* first = section.data<T>() + (kv_head * section.dim(1) + begin) * width;
  return {first, count, width};
}

template <typename T>
class CpuKeys : public KeyReader {
 public:
  CpuKeys(const KeyStore& store, std::int64_t kv_head) : store_(store), kv_head_(kv_head) {}

  void score(const CacheSpan& span, std::span<const double> query, double* scores) const override {
    if (span.begin >= span.end) return;
    const Eigen::Map<const Eigen::VectorXd> vector(query.data(),
                                                   static_cast<std::int64_t>(query.size()));
    const Rows<T> keys = rows(span);
    Eigen::RowVector<Accumulator<T>, Eigen::Dynamic> key(keys.cols());
    for (std::int64_t j = 0; j < keys.rows(); ++j) {
      const T* from = keys.data() + j * keys.cols();
      for (std::int64_t d = 0; d < keys.cols(); ++d) key[d] = static_cast<Accumulator<T>>(from[d]);
      scores[j] = key.template cast<double>().dot(vector);
    }
  }

  void read(const CacheSpan& span, double* out) const override {
    if (span.begin >= span.end) return;
    const Rows<T> keys = rows(span);
    for (std::int64_t i = 0; i < keys.size(); ++i) {
      out[i] = static_cast<double>(static_cast<Accumulator<T>>(keys.data()[i]));
    }
  }

 private:
  Rows<T> rows(const CacheSpan& span) const {
    core::check(span.begin >= 0 && span.end <= store_.size(span.section), "cached_attention",
                "keys {} to {} of the {} in section {}", span.begin, span.end,
                store_.size(span.section), span.section);
    return rows_of<T>(store_.keys(span.section), kv_head_, span.begin, span.end - span.begin);
  }

  const KeyStore& store_;
  std::int64_t kv_head_;
};

// Appends a head's keys and values of the new tokens of one sequence, for which there is room.
template <typename T>
void store_head(const Tensor& qkv, const AttentionShape& shape, const CachedTokens& sequence,
                std::int64_t head) {
  const SequenceTokens& tokens = *sequence.tokens;
  const KeyStore& store = *sequence.store;
  for (std::int64_t t = sequence.first; t < tokens.size(); ++t) {
    const int section = section_of(tokens.level(t));
    const T* row = qkv.data<T>() + (sequence.row + t - sequence.first) * shape.qkv_width() +
                   (shape.heads + head) * shape.width;
    const Tensor& keys = store.keys(section);
    const std::int64_t to = (head * keys.dim(1) + tokens.before(section, t)) * shape.width;
    std::copy_n(row, shape.width, keys.data<T>() + to);
    std::copy_n(row + shape.kv_heads * shape.width, shape.width,
                store.values(section).data<T>() + to);
  }
}

struct SeenQuery {
  std::int64_t position;
  SelectionTrace trace;
  std::vector<CacheSpan> spans;
};

// Queries [first, last) of one sequence and key/value head, in order: work for one thread.
struct Piece {
  CachedTokens* sequence = nullptr;
  std::int64_t kv_head = 0, first = 0, last = 0;
  std::unique_ptr<HeadPolicy> twin = nullptr;  // is asked; null for the first of its head: itself
  ReadCount count = {};
  std::vector<SeenQuery> seen = {};  // what the observer, if there is one, has to be told
};

// All queries that are asked for, by sequence and head, in order. Heads of which a twin is to be
// had are cut, so that a long question has work for every thread.
std::vector<Piece> pieces_of(std::span<CachedTokens> sequences, std::int64_t kv_heads) {
  const auto begin = [](const CachedTokens& one) { return std::max(one.first, one.prefix); };
  std::int64_t queries = 0;
  for (const CachedTokens& sequence : sequences) {
    queries += std::max<std::int64_t>(0, sequence.tokens->size() - begin(sequence)) * kv_heads;
  }
  // A twin may have to make what its head has made already: not for a few queries. Four pieces a
  // thread, because some take longer than others.
  constexpr std::int64_t kLeast = 64;
  const int threads = core::thread_count();
  const std::int64_t share = threads > 1 ? std::max(kLeast, queries / (4 * threads) + 1) : queries;
  std::vector<Piece> pieces;
  for (CachedTokens& sequence : sequences) {
    const std::int64_t end = sequence.tokens->size();
    for (std::int64_t head = 0; head < kv_heads; ++head) {
      std::unique_ptr<HeadPolicy> twin;
      for (std::int64_t at = begin(sequence); at < end;) {
        std::unique_ptr<HeadPolicy> next;  // of the piece behind this one, if it can be cut off
        if (end - at > share) next = sequence.heads[static_cast<std::size_t>(head)]->twin();
        const std::int64_t last = next ? at + share : end;
        pieces.push_back({&sequence, head, at, last, std::move(twin)});
        twin = std::move(next);
        at = last;
      }
    }
  }
  return pieces;
}

// Answers the queries of pieces; has the buffers of one thread.
template <typename T>
class HeadWork {
  using A = Accumulator<T>;

 public:
  HeadWork(const Tensor& qkv, const AttentionShape& shape, const Tensor& out)
      : qkv_(qkv), shape_(shape), out_(out), attention_(shape) {}

  void run(Piece& piece) {
    const CachedTokens& sequence = *piece.sequence;
    HeadPolicy& policy =
        piece.twin ? *piece.twin : *sequence.heads[static_cast<std::size_t>(piece.kv_head)];
    const CpuKeys<T> keys(*sequence.store, piece.kv_head);
    for (std::int64_t t = piece.first; t < piece.last; ++t) {
      const std::int64_t row = sequence.row + t - sequence.first;
      load_query(row, piece.kv_head);
      const PolicyQuery query = {t, heads_, keys, *sequence.tokens};
      spans_.clear();
      SelectionTrace trace;
      policy.select(query, spans_, trace);
      normalise(spans_);
      piece.count.keys += attend(*sequence.store, row, piece.kv_head);
      piece.count.scored += trace.scored;
      ++piece.count.units;
      if (policy.wants_weights()) {
        attention_.weights(weights_);
        policy.attended(query, spans_, weights_);
      }
      if (sequence.observer != nullptr) piece.seen.push_back({t, std::move(trace), spans_});
    }
  }

 private:
  const T* query_at(std::int64_t row, std::int64_t kv_head) const {
    return qkv_.data<T>() + row * shape_.qkv_width() + kv_head * shape_.group() * shape_.width;
  }

  void load_query(std::int64_t row, std::int64_t kv_head) {
    const T* from = query_at(row, kv_head);
    heads_.resize(static_cast<std::size_t>(shape_.group() * shape_.width));
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      heads_[i] = static_cast<double>(static_cast<A>(from[i]));
    }
  }

  // Softmax attention over spans_. Returns the number of keys.
  std::int64_t attend(const KeyStore& store, std::int64_t row, std::int64_t kv_head) {
    const std::int64_t count = count_keys(spans_);
    core::check(count > 0, "cached_attention", "a query that reads no key");
    for (const CacheSpan& span : spans_) {
      core::check(span.section < store.sections() && span.begin >= 0 &&
                      span.end <= store.size(span.section),
                  "cached_attention", "keys {} to {} of section {}", span.begin, span.end,
                  span.section);
    }
    attention_.run(
        query_at(row, kv_head), store, kv_head, spans_,
        out_.data<T>() + row * shape_.out_width() + kv_head * shape_.group() * shape_.width);
    return count;
  }

  const Tensor& qkv_;
  const AttentionShape& shape_;
  const Tensor& out_;
  SpanAttention<T> attention_;
  std::vector<double> heads_, weights_;
  std::vector<CacheSpan> spans_;
};

}  // namespace

// Keys are stored by sequence and head; then queries are asked in pieces, each of which adds up and
// sees what belongs to it alone.
void cached_attention(const Tensor& qkv, const AttentionShape& shape,
                      std::span<CachedTokens> sequences, const Tensor& out) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto batch = static_cast<std::int64_t>(sequences.size());
    const std::int64_t tasks = batch * shape.kv_heads;
    for (const CachedTokens& sequence : sequences) make_room(sequence);
    // A thread is worth it from some hundred tokens on: prompts, not decoding.
    const std::int64_t grain =
        std::max<std::int64_t>(1, 512 * batch / std::max<std::int64_t>(1, qkv.dim(0)));
    core::parallel_for(tasks, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        store_head<T>(qkv, shape, sequences[static_cast<std::size_t>(task / shape.kv_heads)],
                      task % shape.kv_heads);
      }
    });
    observe_prompts(qkv, shape, sequences);
    std::vector<Piece> pieces = pieces_of(sequences, shape.kv_heads);
    const auto count = static_cast<std::int64_t>(pieces.size());
    core::parallel_deal(count, [&](std::int64_t first, std::int64_t step) {
      HeadWork<T> work(qkv, shape, out);
      for (std::int64_t i = first; i < count; i += step) {
        work.run(pieces[static_cast<std::size_t>(i)]);
      }
    });
    // Observers are told by the calling thread, in order.
    for (const Piece& piece : pieces) {
      piece.sequence->count += piece.count;
      for (const SeenQuery& query : piece.seen) {
        (*piece.sequence->observer)(piece.kv_head, query.position, query.trace, query.spans);
      }
    }
  });
}

}  // namespace unfold::gsa::kernels::cpu
