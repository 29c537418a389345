#include "gsa/policies/snapkv.h"

#include <algorithm>

#include "gsa/policies/section5.h"

namespace unfold::gsa {
namespace {

class SnapKvHead : public HeadPolicy {
 public:
  // window: queries that vote, at most the prompt; kept: keys kept of the prompt, window included.
  SnapKvHead(std::int64_t prompt, std::int64_t window, std::int64_t kept, std::int64_t pooling)
      : prompt_(prompt), window_(window), kept_(kept), pooling_(pooling) {}

  bool observes() const override { return kept_ < prompt_; }
  void observe(std::span<const double> attention) override {
    votes_.assign(attention.begin(), attention.end());
  }

  void select(const PolicyQuery& query, std::vector<CacheSpan>& spans,
              SelectionTrace& trace) override {
    if (kept_ >= prompt_) {
      append_causal(query.tokens, query.position, spans);
      return;
    }
    if (spans_.empty()) choose();
    trace.picks = {picks_};
    spans.insert(spans.end(), spans_.begin(), spans_.end());
    spans.push_back(
        {0, static_cast<std::int32_t>(prompt_), static_cast<std::int32_t>(query.position + 1)});
  }

 private:
  void choose() {
    const std::int64_t before = prompt_ - window_;
    const std::vector<double> pooled =
        max_pool(std::span(votes_).first(static_cast<std::size_t>(before)), pooling_);
    picks_ = top_indices(pooled, std::max<std::int64_t>(0, kept_ - window_));
    for (const std::int32_t key : picks_) spans_.push_back({0, key, key + 1});
    spans_.push_back({0, static_cast<std::int32_t>(before), static_cast<std::int32_t>(prompt_)});
    normalise(spans_);
    votes_.clear();
  }

  std::int64_t prompt_, window_, kept_, pooling_;
  std::vector<double> votes_;
  std::vector<std::int32_t> picks_;
  std::vector<CacheSpan> spans_;
};

class SnapKvPolicy : public AttentionPolicy {
 public:
  SnapKvPolicy(const ContextBudget& budget, std::int64_t window, std::int64_t pooling,
               std::int64_t first_layer)
      : budget_(budget), window_(window), pooling_(pooling), first_layer_(first_layer) {}

  std::int64_t prefix(const SequenceFacts& facts) const override { return facts.prompt; }
  std::int64_t observe_from(const SequenceFacts& facts) const override {
    return facts.prompt - window(facts);
  }
  std::unique_ptr<HeadPolicy> head(const SequenceFacts& facts, std::int64_t layer,
                                   std::int64_t /*kv_head*/) const override {
    const std::int64_t kept = layer < first_layer_ ? facts.prompt : budget_.cache_keys(facts);
    return std::make_unique<SnapKvHead>(facts.prompt, window(facts), kept, pooling_);
  }

 private:
  // The window is part of the budget.
  std::int64_t window(const SequenceFacts& facts) const {
    return std::max<std::int64_t>(1, std::min(window_, budget_.cache_keys(facts)));
  }

  ContextBudget budget_;
  std::int64_t window_, pooling_, first_layer_;
};

}  // namespace

std::vector<double> max_pool(std::span<const double> values, std::int64_t pooling) {
  const auto count = static_cast<std::int64_t>(values.size());
  std::vector<double> pooled;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t first = std::max<std::int64_t>(0, i - pooling / 2);
    const std::int64_t last = std::min(count, i + pooling / 2 + 1);
    pooled.push_back(*std::max_element(values.begin() + first, values.begin() + last));
  }
  return pooled;
}

std::unique_ptr<AttentionPolicy> make_snapkv_policy(const ContextBudget& budget,
                                                    std::int64_t window, std::int64_t pooling,
                                                    std::int64_t first_layer) {
  return std::make_unique<SnapKvPolicy>(budget, window, pooling, first_layer);
}

}  // namespace unfold::gsa
