// The plan's attention on the CPU: what the device kernels are held against, one query and head at
// a time.
#include "gsa/kernels/step.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "core/kernels/float_types.h"
#include "gsa/selection.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::kernels::Accumulator;
using core::kernels::on_float;

template <typename T>
class StepWork {
  using A = Accumulator<T>;

 public:
  StepWork(const Tensor& qkv, const StepPlan& plan, std::int64_t layer)
      : qkv_(qkv.data<T>()),
        shape_(plan.shape()),
        plan_(plan),
        sections_(plan.sections(layer)),
        view_(plan.view_of(layer)) {}

  void run(const StepQuery& query, std::int64_t kv_head, T* out) {
    keys_.clear();
    const StepView& view = query.view[view_];
    for (int s = 0; s < view.spans; ++s) {
      for (std::int32_t i = view.span[s].begin; i < view.span[s].end; ++i) {
        keys_.push_back({view.span[s].section, i});
      }
    }
    if (view.start >= 0) pick(query, view, kv_head);
    for (std::int64_t h = 0; h < shape_.group(); ++h) {
      attend(query, kv_head, kv_head * shape_.group() + h, out);
    }
  }

  std::int64_t listed = 0, scored = 0;

 private:
  struct Key {
    std::int32_t section;
    std::int32_t index;
  };

  const T* vector(const void* section, std::int64_t between, std::int64_t kv_head,
                  std::int32_t index) const {
    return static_cast<const T*>(section) + kv_head * between + index * shape_.width;
  }
  const StepSection& section(const StepQuery& query, int number) const {
    return sections_[query.slot * kStepSections + number];
  }
  const T* query_vector(const StepQuery& query, std::int64_t head) const {
    return qkv_ + query.row * shape_.qkv_width() + head * shape_.width;
  }

  void pick(const StepQuery& query, const StepView& view, std::int64_t kv_head) {
    const StepChildren& children = plan_.children()[query.slot];
    std::vector<std::vector<bool>> picked(static_cast<std::size_t>(plan_.levels()));
    for (int level = 0; level < plan_.levels(); ++level) {
      picked[static_cast<std::size_t>(level)].resize(static_cast<std::size_t>(view.gists[level]));
    }
    std::vector<std::int32_t> candidates, chosen;
    std::vector<double> scores;
    for (std::int64_t h = 0; h < shape_.group(); ++h) {
      const T* vector_of_query = query_vector(query, kv_head * shape_.group() + h);
      candidates.clear();
      for (std::int32_t j = 0; j < view.gists[view.start]; ++j) candidates.push_back(j);
      for (int level = view.start; level >= 0; --level) {
        scores.clear();
        const StepSection& place = section(query, level + 1);
        for (const std::int32_t j : candidates) {
          const T* key = vector(place.keys, place.between, kv_head, j);
          double sum = 0;
          for (std::int64_t d = 0; d < shape_.width; ++d) {
            sum += static_cast<double>(vector_of_query[d]) * static_cast<double>(key[d]);
          }
          scores.push_back(sum);
        }
        scored += static_cast<std::int64_t>(scores.size());
        top_indices(scores, view.picks[level], chosen);
        std::vector<std::int32_t> below;
        for (const std::int32_t at : chosen) {
          const std::int32_t j = candidates[static_cast<std::size_t>(at)];
          picked[static_cast<std::size_t>(level)][static_cast<std::size_t>(j)] = true;
          if (level == 0) continue;
          for (std::int32_t c = children.first[level][j]; c < children.first[level][j + 1]; ++c) {
            below.push_back(c);
          }
        }
        candidates = std::move(below);
      }
    }
    const std::size_t before = keys_.size();
    for (int level = 0; level < plan_.levels(); ++level) {
      for (std::int32_t j = 0; j < view.gists[level]; ++j) {
        if (!picked[static_cast<std::size_t>(level)][static_cast<std::size_t>(j)]) continue;
        if (view.picked_gists != 0) keys_.push_back({level + 1, j});
        if (level > 0) continue;
        const std::int32_t end = std::min(children.first[0][j + 1], view.raw_end);
        for (std::int32_t i = std::max(children.first[0][j], view.raw_begin); i < end; ++i) {
          keys_.push_back({0, i});
        }
      }
    }
    listed += static_cast<std::int64_t>(keys_.size() - before);
  }

  void attend(const StepQuery& query, std::int64_t kv_head, std::int64_t head, T* out) {
    const T* vector_of_query = query_vector(query, head);
    const A scale = A(1) / std::sqrt(static_cast<A>(shape_.width));
    weights_.clear();
    A largest = -std::numeric_limits<A>::infinity();
    for (const Key& key : keys_) {
      const StepSection& place = section(query, key.section);
      const T* k = vector(place.keys, place.between, kv_head, key.index);
      A sum = 0;
      for (std::int64_t d = 0; d < shape_.width; ++d) {
        sum += static_cast<A>(vector_of_query[d]) * static_cast<A>(k[d]);
      }
      weights_.push_back(sum * scale);
      largest = std::max(largest, weights_.back());
    }
    A total = 0;
    sums_.assign(static_cast<std::size_t>(shape_.width), A(0));
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const A weight = std::exp(weights_[i] - largest);
      total += weight;
      const StepSection& place = section(query, keys_[i].section);
      const T* v = vector(place.values, place.between, kv_head, keys_[i].index);
      for (std::int64_t d = 0; d < shape_.width; ++d) {
        sums_[static_cast<std::size_t>(d)] += weight * static_cast<A>(v[d]);
      }
    }
    T* to = out + query.row * shape_.out_width() + head * shape_.width;
    for (std::int64_t d = 0; d < shape_.width; ++d) {
      to[d] = static_cast<T>(sums_[static_cast<std::size_t>(d)] / total);
    }
  }

  const T* qkv_;
  const AttentionShape& shape_;
  const StepPlan& plan_;
  const StepSection* sections_;
  int view_;
  std::vector<Key> keys_;
  std::vector<A> weights_, sums_;
};

}  // namespace

void step_store(const Tensor& qkv, const StepPlan& plan, std::int64_t layer, const Tensor& rope) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const AttentionShape& shape = plan.shape();
    const std::int64_t half = shape.width / 2;
    for (std::int64_t row = 0; row < plan.rows(); ++row) {
      const StepToken& token = plan.tokens()[row];
      const StepSection& place = plan.sections(layer)[token.slot * kStepSections + token.section];
      T* in = qkv.data<T>() + row * shape.qkv_width();
      if (rope.defined()) {
        const A* cosine = rope.data<A>() + token.rope * shape.width;
        for (std::int64_t head = 0; head < shape.heads + shape.kv_heads; ++head) {
          T* at = in + head * shape.width;
          for (std::int64_t d = 0; d < half; ++d) {
            const A a = static_cast<A>(at[d]);
            const A b = static_cast<A>(at[d + half]);
            at[d] = static_cast<T>(a * cosine[d] - b * cosine[d + half]);
            at[d + half] = static_cast<T>(b * cosine[d] + a * cosine[d + half]);
          }
        }
      }
      for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
        const std::int64_t to = head * place.between + token.index * shape.width;
        const T* key = in + (shape.heads + head) * shape.width;
        std::copy_n(key, shape.width, static_cast<T*>(place.keys) + to);
        std::copy_n(key + shape.kv_heads * shape.width, shape.width,
                    static_cast<T*>(place.values) + to);
      }
    }
  });
}

void step_attention(const Tensor& qkv, const StepPlan& plan, std::int64_t layer,
                    const Tensor& out) {
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    StepWork<T> work(qkv, plan, layer);
    for (std::int64_t i = 0; i < plan.queries(); ++i) {
      const StepQuery& query = *plan.query(i);
      work.listed = work.scored = 0;
      for (std::int64_t kv_head = 0; kv_head < plan.shape().kv_heads; ++kv_head) {
        work.run(query, kv_head, out.data<T>());
      }
      std::int64_t* const reads = plan.reads().data<std::int64_t>() + 2 * query.slot;
      reads[0] += work.listed;
      reads[1] += work.scored;
    }
  });
}

}  // namespace unfold::gsa::kernels::cpu
