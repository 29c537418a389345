#include "gsa/policies/h2o.h"

#include <algorithm>

#include "gsa/policies/section5.h"

namespace unfold::gsa {
namespace {

class H2oHead : public HeadPolicy {
 public:
  // size: keys of the cache; 0: keep everything.
  H2oHead(std::int64_t prompt, std::int64_t size)
      : prompt_(prompt), size_(size), recent_(size / 2) {}

  bool observes() const override { return size_ > 0; }
  void observe(std::span<const double> attention) override {
    sums_.assign(attention.begin(), attention.end());
  }

  void select(const PolicyQuery& query, std::vector<CacheSpan>& spans,
              SelectionTrace& trace) override {
    if (size_ == 0) {
      append_causal(query.tokens, query.position, spans);
      return;
    }
    if (!cut_) {
      for (std::int32_t key = 0; key < prompt_; ++key) kept_.push_back(key);
      cut_ = true;
    }
    kept_.push_back(static_cast<std::int32_t>(query.position));
    sums_.resize(static_cast<std::size_t>(query.position) + 1, 0.0);
    evict();
    trace.picks = {kept_};
    for (const std::int32_t key : kept_) spans.push_back({0, key, key + 1});
  }

  bool wants_weights() const override { return size_ > 0; }
  void attended(const PolicyQuery& /*query*/, const std::vector<CacheSpan>& spans,
                std::span<const double> weights) override {
    std::size_t i = 0;
    for (const CacheSpan& span : spans) {
      for (std::int32_t key = span.begin; key < span.end; ++key) {
        sums_[static_cast<std::size_t>(key)] += weights[i++];
      }
    }
  }

 private:
  // Keeps the newest `recent_` keys (the query at least) and of the others those with most
  // attention; of equal ones the later.
  void evict() {
    const auto excess = static_cast<std::int64_t>(kept_.size()) - size_;
    if (excess <= 0) return;
    const auto newest = std::max<std::int64_t>(1, recent_);
    std::vector<std::int32_t> others(kept_.begin(), kept_.end() - newest);
    const auto lighter = [&](std::int32_t a, std::int32_t b) {
      const double left = sums_[static_cast<std::size_t>(a)];
      const double right = sums_[static_cast<std::size_t>(b)];
      return left != right ? left < right : a < b;
    };
    std::nth_element(others.begin(), others.begin() + excess - 1, others.end(), lighter);
    others.erase(others.begin(), others.begin() + excess);
    std::sort(others.begin(), others.end());
    others.insert(others.end(), kept_.end() - newest, kept_.end());
    kept_ = std::move(others);
  }

  std::int64_t prompt_, size_, recent_;
  bool cut_ = false;
  std::vector<std::int32_t> kept_;  // ascending
  std::vector<double> sums_;        // attention got so far, by position
};

class H2oPolicy : public AttentionPolicy {
 public:
  H2oPolicy(const ContextBudget& budget, std::int64_t first_layer)
      : budget_(budget), first_layer_(first_layer) {}

  std::int64_t prefix(const SequenceFacts& facts) const override { return facts.prompt; }
  std::int64_t observe_from(const SequenceFacts& /*facts*/) const override { return 0; }
  std::unique_ptr<HeadPolicy> head(const SequenceFacts& facts, std::int64_t layer,
                                   std::int64_t /*kv_head*/) const override {
    const std::int64_t size =
        layer < first_layer_ ? 0 : std::max<std::int64_t>(2, budget_.cache_keys(facts));
    return std::make_unique<H2oHead>(facts.prompt, size);
  }

 private:
  ContextBudget budget_;
  std::int64_t first_layer_;
};

}  // namespace

std::unique_ptr<AttentionPolicy> make_h2o_policy(const ContextBudget& budget,
                                                 std::int64_t first_layer) {
  return std::make_unique<H2oPolicy>(budget, first_layer);
}

}  // namespace unfold::gsa
