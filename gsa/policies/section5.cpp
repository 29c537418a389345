#include "gsa/policies/section5.h"

#include <algorithm>

namespace unfold::gsa {
namespace {

class FullHead : public HeadPolicy {
 public:
  std::unique_ptr<HeadPolicy> twin() const override { return std::make_unique<FullHead>(); }
  void select(const PolicyQuery& query, std::vector<CacheSpan>& spans,
              SelectionTrace& /*trace*/) override {
    append_causal(query.tokens, query.position, spans);
  }
};

class FullPolicy : public AttentionPolicy {
 public:
  std::unique_ptr<HeadPolicy> head(const SequenceFacts& /*facts*/, std::int64_t /*layer*/,
                                   std::int64_t /*kv_head*/) const override {
    return std::make_unique<FullHead>();
  }
  bool step_view(const SequenceFacts& /*facts*/, const SequenceTokens& tokens,
                 std::int64_t position, bool /*sparse*/, StepView& view) const override {
    std::vector<CacheSpan> spans;
    append_causal(tokens, position, spans);
    return set_spans(std::move(spans), view);
  }
};

class GistOnlyHead : public HeadPolicy {
 public:
  explicit GistOnlyHead(const GistConfig& gist) : gist_(gist) {}
  std::unique_ptr<HeadPolicy> twin() const override {
    return std::make_unique<GistOnlyHead>(gist_);
  }
  void select(const PolicyQuery& query, std::vector<CacheSpan>& spans,
              SelectionTrace& /*trace*/) override {
    append_section5(query.tokens, gist_, query.position, spans);
  }

 private:
  const GistConfig& gist_;
};

class GistOnlyPolicy : public AttentionPolicy {
 public:
  explicit GistOnlyPolicy(const GistConfig& gist) : gist_(gist) {}
  bool gists() const override { return true; }
  std::unique_ptr<HeadPolicy> head(const SequenceFacts& /*facts*/, std::int64_t /*layer*/,
                                   std::int64_t /*kv_head*/) const override {
    return std::make_unique<GistOnlyHead>(gist_);
  }
  bool step_view(const SequenceFacts& /*facts*/, const SequenceTokens& tokens,
                 std::int64_t position, bool /*sparse*/, StepView& view) const override {
    std::vector<CacheSpan> spans;
    append_section5(tokens, gist_, position, spans);
    return set_spans(std::move(spans), view);
  }

 private:
  GistConfig gist_;
};

}  // namespace

// The same rules as in gsa/reach.cpp, seen from the query.
std::int32_t first_visible(const SequenceTokens& tokens, const GistConfig& gist,
                           std::int64_t position, int section) {
  const int top = tokens.levels() - 1;
  const int query_class = std::max(0, tokens.level(position));
  const int level = section - 1;
  if (level == top || top < 0) return 0;  // (a); a sequence without gists is causal
  const std::int32_t none = tokens.before(section, position + 1);
  // First key of the section with C_l(query) - C_l(key) <= P.
  const auto within = [&](int l) {
    const std::int64_t passed = tokens.before(section_of(l), position) - gist.previous_chunks;
    if (passed <= 0) return 0;
    const std::int32_t closing = tokens.gists(l).gist[static_cast<std::size_t>(passed) - 1];
    return tokens.before(section, closing + 1);
  };
  if (level < 0) return query_class == 0 ? within(0) : none;  // (c)
  const int higher = level + 1;
  if (query_class > higher) return none;
  // A covering gist itself still sees what it covers, by (d), as C counts gists before the query.
  std::int32_t first = within(higher);                       // (b), (d), (e)
  if (query_class == 0) first = std::min(first, within(0));  // (c)
  return first;
}

std::int32_t sink_count(const SequenceTokens& tokens, const GistConfig& gist, std::int64_t position,
                        int section) {
  return tokens.before(section, std::min(gist.sinks, position + 1));
}

void append_raw_section5(const SequenceTokens& tokens, const GistConfig& gist,
                         std::int64_t position, std::vector<CacheSpan>& spans) {
  const std::int32_t end = tokens.before(0, position + 1);
  const bool link = tokens.role(position) == TokenRole::link;
  if (!link) {
    spans.push_back({0, 0, sink_count(tokens, gist, position, 0)});
    spans.push_back({0, first_visible(tokens, gist, position, 0), end});
  }
  if (tokens.level(position) >= 0) return;
  for (const SequenceTokens::RawSpan& anchor : tokens.anchors()) {
    if (anchor.begin >= end) break;
    spans.push_back({0, anchor.begin, std::min(anchor.end, end)});
  }
}

void append_section5(const SequenceTokens& tokens, const GistConfig& gist, std::int64_t position,
                     std::vector<CacheSpan>& spans) {
  append_raw_section5(tokens, gist, position, spans);
  const bool link = tokens.role(position) == TokenRole::link;
  for (int section = 1; section < tokens.sections(); ++section) {
    const std::int32_t end = tokens.before(section, position + 1);
    spans.push_back({section, 0, link ? end : sink_count(tokens, gist, position, section)});
    spans.push_back({section, first_visible(tokens, gist, position, section), end});
  }
  // Every token sees itself.
  const int own = section_of(tokens.level(position));
  const std::int32_t index = tokens.before(own, position);
  spans.push_back({own, index, index + 1});
}

void append_causal(const SequenceTokens& tokens, std::int64_t position,
                   std::vector<CacheSpan>& spans) {
  for (int section = 0; section < tokens.sections(); ++section) {
    spans.push_back({section, 0, tokens.before(section, position + 1)});
  }
}

std::unique_ptr<AttentionPolicy> make_full_policy() {
  return std::make_unique<FullPolicy>();
}

std::unique_ptr<AttentionPolicy> make_gist_only_policy(const GistConfig& gist) {
  return std::make_unique<GistOnlyPolicy>(gist);
}

}  // namespace unfold::gsa
