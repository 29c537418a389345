#include "gsa/policies/streaming.h"

#include <algorithm>

#include "gsa/policies/section5.h"

namespace unfold::gsa {
namespace {

// What a query reads: the first `sinks` keys and the last `window`, its own among them.
void append_window(std::int64_t sinks, std::int64_t window, std::int64_t position,
                   std::vector<CacheSpan>& spans) {
  const auto end = static_cast<std::int32_t>(position + 1);
  spans.push_back({0, 0, static_cast<std::int32_t>(std::min<std::int64_t>(sinks, end))});
  spans.push_back({0, static_cast<std::int32_t>(std::max<std::int64_t>(0, end - window)), end});
}

class StreamingHead : public HeadPolicy {
 public:
  StreamingHead(std::int64_t sinks, std::int64_t window) : sinks_(sinks), window_(window) {}
  std::unique_ptr<HeadPolicy> twin() const override {
    return std::make_unique<StreamingHead>(*this);
  }

  void select(const PolicyQuery& query, std::vector<CacheSpan>& spans,
              SelectionTrace& /*trace*/) override {
    append_window(sinks_, window_, query.position, spans);
  }

 private:
  std::int64_t sinks_, window_;
};

class CausalHead : public HeadPolicy {
 public:
  std::unique_ptr<HeadPolicy> twin() const override { return std::make_unique<CausalHead>(); }
  void select(const PolicyQuery& query, std::vector<CacheSpan>& spans,
              SelectionTrace& /*trace*/) override {
    append_causal(query.tokens, query.position, spans);
  }
};

class StreamingPolicy : public AttentionPolicy {
 public:
  StreamingPolicy(const ContextBudget& budget, std::int64_t first_layer)
      : budget_(budget), first_layer_(first_layer) {}

  std::optional<KeyWindow> prefix_window(const SequenceFacts& facts) const override {
    return KeyWindow{budget_.sinks(), window(facts)};
  }
  std::unique_ptr<HeadPolicy> head(const SequenceFacts& facts, std::int64_t layer,
                                   std::int64_t /*kv_head*/) const override {
    if (layer < first_layer_) return std::make_unique<CausalHead>();
    return std::make_unique<StreamingHead>(budget_.sinks(), window(facts));
  }
  std::int64_t sparse_from() const override { return first_layer_; }
  bool step_view(const SequenceFacts& facts, const SequenceTokens& tokens, std::int64_t position,
                 bool sparse, StepView& view) const override {
    std::vector<CacheSpan> spans;
    if (sparse) {
      append_window(budget_.sinks(), window(facts), position, spans);
    } else {
      append_causal(tokens, position, spans);
    }
    return set_spans(std::move(spans), view);
  }

 private:
  std::int64_t window(const SequenceFacts& facts) const {
    return std::max<std::int64_t>(1, budget_.cache_keys(facts) - budget_.sinks());
  }

  ContextBudget budget_;
  std::int64_t first_layer_;
};

}  // namespace

std::unique_ptr<AttentionPolicy> make_streaming_policy(const ContextBudget& budget,
                                                       std::int64_t first_layer) {
  return std::make_unique<StreamingPolicy>(budget, first_layer);
}

}  // namespace unfold::gsa
