#include "gsa/policies/streaming.h"

#include <algorithm>

#include "gsa/policies/section5.h"

namespace unfold::gsa {
namespace {

class StreamingHead : public HeadPolicy {
 public:
  StreamingHead(std::int64_t sinks, std::int64_t window) : sinks_(sinks), window_(window) {}

  void select(const PolicyQuery& query, std::vector<CacheSpan>& spans,
              SelectionTrace& /*trace*/) override {
    const auto end = static_cast<std::int32_t>(query.position + 1);
    spans.push_back({0, 0, static_cast<std::int32_t>(std::min<std::int64_t>(sinks_, end))});
    spans.push_back({0, static_cast<std::int32_t>(std::max<std::int64_t>(0, end - window_)), end});
  }

 private:
  std::int64_t sinks_, window_;
};

class CausalHead : public HeadPolicy {
 public:
  void select(const PolicyQuery& query, std::vector<CacheSpan>& spans,
              SelectionTrace& /*trace*/) override {
    append_causal(query.tokens, query.position, spans);
  }
};

class StreamingPolicy : public AttentionPolicy {
 public:
  StreamingPolicy(const ContextBudget& budget, std::int64_t first_layer)
      : budget_(budget), first_layer_(first_layer) {}

  std::int64_t prefix(const SequenceFacts& /*facts*/) const override { return 0; }
  std::unique_ptr<HeadPolicy> head(const SequenceFacts& facts, std::int64_t layer,
                                   std::int64_t /*kv_head*/) const override {
    if (layer < first_layer_) return std::make_unique<CausalHead>();
    const std::int64_t window = budget_.cache_keys(facts) - budget_.sinks();
    return std::make_unique<StreamingHead>(budget_.sinks(), std::max<std::int64_t>(1, window));
  }

 private:
  ContextBudget budget_;
  std::int64_t first_layer_;
};

}  // namespace

std::unique_ptr<AttentionPolicy> make_streaming_policy(const ContextBudget& budget,
                                                       std::int64_t first_layer) {
  return std::make_unique<StreamingPolicy>(budget, first_layer);
}

}  // namespace unfold::gsa
