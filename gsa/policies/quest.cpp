#include "gsa/policies/quest.h"

#include <algorithm>

#include "gsa/policies/section5.h"

namespace unfold::gsa {
namespace {

class QuestHead : public HeadPolicy {
 public:
  QuestHead(std::int64_t context, std::int64_t page, std::int64_t pages, bool dense,
            const AttentionShape& shape)
      : context_(static_cast<std::int32_t>(context)),
        page_(static_cast<std::int32_t>(page)),
        pages_(pages),
        dense_(dense),
        shape_(shape) {}
  std::unique_ptr<HeadPolicy> twin() const override { return std::make_unique<QuestHead>(*this); }

  void select(const PolicyQuery& query, std::vector<CacheSpan>& spans,
              SelectionTrace& trace) override {
    if (dense_ || context_ == 0) {
      append_causal(query.tokens, query.position, spans);
      return;
    }
    if (low_.empty()) find_bounds(query.keys);
    score(query);
    trace.scored += page_count() * shape_.group();
    trace.picks = {top_indices(scores_, pages_)};
    for (const std::int32_t j : trace.picks[0]) {
      spans.push_back({0, j * page_, std::min((j + 1) * page_, context_)});
    }
    spans.push_back({0, context_, static_cast<std::int32_t>(query.position + 1)});
  }

 private:
  std::int32_t page_count() const { return (context_ + page_ - 1) / page_; }

  // The upper bound of the score of any key of a page, summed over the heads. All pages together,
  // dimension by dimension: each adds up in the order of dimensions.
  void score(const PolicyQuery& query) {
    const auto count = static_cast<std::size_t>(page_count());
    scores_.assign(count, 0.0);
    bounds_.resize(count);
    for (std::int64_t h = 0; h < shape_.group(); ++h) {
      const std::span<const double> head = query.head(h, shape_.width);
      std::fill(bounds_.begin(), bounds_.end(), 0.0);
      for (std::size_t d = 0; d < head.size(); ++d) {
        const double* const low = low_.data() + d * count;
        const double* const high = high_.data() + d * count;
        for (std::size_t j = 0; j < count; ++j) {
          bounds_[j] += std::max(head[d] * low[j], head[d] * high[j]);
        }
      }
      for (std::size_t j = 0; j < count; ++j) scores_[j] += bounds_[j];
    }
  }

  void find_bounds(const KeyReader& keys) {
    const auto width = static_cast<std::size_t>(shape_.width);
    std::vector<double> rows(static_cast<std::size_t>(context_) * width);
    keys.read({0, 0, context_}, rows.data());
    const auto count = static_cast<std::size_t>(page_count());
    low_.resize(width * count);
    high_.resize(width * count);
    for (std::int32_t j = 0; j < page_count(); ++j) {
      const auto first = static_cast<std::size_t>(j * page_);
      const auto last = static_cast<std::size_t>(std::min((j + 1) * page_, context_));
      for (std::size_t d = 0; d < width; ++d) {
        double low = rows[first * width + d];
        double high = low;
        for (std::size_t i = first + 1; i < last; ++i) {
          low = std::min(low, rows[i * width + d]);
          high = std::max(high, rows[i * width + d]);
        }
        low_[d * count + static_cast<std::size_t>(j)] = low;
        high_[d * count + static_cast<std::size_t>(j)] = high;
      }
    }
  }

  std::int32_t context_, page_;
  std::int64_t pages_;
  bool dense_;
  const AttentionShape& shape_;
  std::vector<double> low_, high_;  // (width, pages)
  std::vector<double> scores_, bounds_;
};

class QuestPolicy : public AttentionPolicy {
 public:
  QuestPolicy(const ContextBudget& budget, std::int64_t first_layer, const AttentionShape& shape)
      : budget_(budget), first_layer_(first_layer), shape_(shape) {}

  std::unique_ptr<HeadPolicy> head(const SequenceFacts& facts, std::int64_t layer,
                                   std::int64_t /*kv_head*/) const override {
    // Whole pages, but where the budget is all of the context.
    const std::int64_t keys = budget_.context_keys(facts);
    const std::int64_t page = budget_.page();
    const std::int64_t pages =
        keys == facts.context ? (keys + page - 1) / page : std::max<std::int64_t>(1, keys / page);
    return std::make_unique<QuestHead>(facts.context, budget_.page(), pages, layer < first_layer_,
                                       shape_);
  }

 private:
  ContextBudget budget_;
  std::int64_t first_layer_;
  AttentionShape shape_;
};

}  // namespace

std::unique_ptr<AttentionPolicy> make_quest_policy(const ContextBudget& budget,
                                                   std::int64_t first_layer,
                                                   const AttentionShape& shape) {
  return std::make_unique<QuestPolicy>(budget, first_layer, shape);
}

}  // namespace unfold::gsa
