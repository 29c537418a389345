#include "gsa/policies/selecting.h"

#include <algorithm>
#include <numeric>

#include "core/random.h"
#include "gsa/policies/descent.h"
#include "gsa/policies/section5.h"

namespace unfold::gsa {
namespace {

struct Settings {
  SelectionConfig selection;
  bool descend = false;
  std::int64_t first_layer = 0;
  GistConfig gist;
  AttentionShape shape;
};

// Top-level gists before a query: what they cover is the context it selects from. 0 for a query
// that attends as section 5 says.
std::int32_t selected_tops(const SequenceTokens& tokens, const SequenceFacts& facts,
                           std::int64_t position) {
  const int top = tokens.levels() - 1;
  if (top < 0 || position < facts.context || tokens.level(position) >= 0) return 0;
  return tokens.before(section_of(top), position);
}

// Appends what a selecting query reads whatever it picks: raw keys of section 5, and everything
// behind the last top-level gist.
void append_unpicked(const SequenceTokens& tokens, const GistConfig& gist, std::int64_t position,
                     std::int32_t tops, std::vector<CacheSpan>& spans) {
  const int top = tokens.levels() - 1;
  append_raw_section5(tokens, gist, position, spans);
  for (int level = -1; level <= top; ++level) {
    const int section = section_of(level);
    spans.push_back(
        {section, tokens.covered(level, top, tops), tokens.before(section, position + 1)});
  }
}

// Scores of a query head against the pivots of a level.
class PivotScores {
 public:
  PivotScores(const Settings& settings, std::uint64_t stream)
      : settings_(settings), stream_(stream), means_(kMaxLevels) {}

  // Appends the scores of gists [first, last) of a level.
  void append(const PolicyQuery& query, std::int64_t h, int level, std::int32_t first,
              std::int32_t last, std::vector<double>& scores) {
    const std::size_t begin = scores.size();
    scores.resize(begin + static_cast<std::size_t>(last - first));
    double* out = scores.data() + begin;
    const std::int64_t width = settings_.shape.width;
    switch (settings_.selection.pivot) {
      case Pivot::gist:
        query.keys.score({section_of(level), first, last}, query.head(h, width), out);
        break;
      case Pivot::mean_pool: {
        extend_means(query, level, last);
        const std::vector<double>& means = means_[static_cast<std::size_t>(level)];
        const std::span<const double> head = query.head(h, width);
        for (std::int32_t j = first; j < last; ++j) {
          out[j - first] =
              std::inner_product(head.begin(), head.end(), means.begin() + j * width, 0.0);
        }
        break;
      }
      case Pivot::random: {
        const auto number =
            static_cast<std::uint64_t>(query.position) * 64 + static_cast<std::uint64_t>(h);
        for (std::int32_t j = first; j < last; ++j) {
          const auto index =
              static_cast<std::uint64_t>(level) << 32 | static_cast<std::uint32_t>(j);
          out[j - first] =
              core::philox(settings_.selection.seed, (stream_ << 40) + number, index)[0];
        }
        break;
      }
      case Pivot::quest:
        core::check(false, "selecting", "quest has a policy of its own");
    }
  }

 private:
  // The mean of the raw keys that a gist covers: made once, when the gist is first scored.
  void extend_means(const PolicyQuery& query, int level, std::int32_t count) {
    const std::int64_t width = settings_.shape.width;
    std::vector<double>& means = means_[static_cast<std::size_t>(level)];
    for (auto j = static_cast<std::int32_t>(static_cast<std::int64_t>(means.size()) / width);
         j < count; ++j) {
      const auto [begin, end] = query.tokens.covered_raw(level, j);
      rows_.resize(static_cast<std::size_t>((end - begin) * width));
      query.keys.read({0, begin, end}, rows_.data());
      const std::size_t mean = means.size();
      means.resize(mean + static_cast<std::size_t>(width), 0.0);
      for (std::int32_t i = 0; i < end - begin; ++i) {
        for (std::int64_t d = 0; d < width; ++d) {
          means[mean + static_cast<std::size_t>(d)] +=
              rows_[static_cast<std::size_t>(i * width + d)];
        }
      }
      for (std::int64_t d = 0; d < width && end > begin; ++d) {
        means[mean + static_cast<std::size_t>(d)] /= end - begin;
      }
    }
  }

  const Settings& settings_;
  std::uint64_t stream_;
  std::vector<std::vector<double>> means_;  // a level: (gists, width)
  std::vector<double> rows_;
};

class SelectingHead : public HeadPolicy {
 public:
  SelectingHead(const Settings& settings, const SequenceFacts& facts, std::int64_t layer,
                std::int64_t kv_head)
      : settings_(settings),
        facts_(facts),
        selects_(layer >= settings.first_layer),
        pivots_(settings, static_cast<std::uint64_t>(layer * settings.shape.kv_heads + kv_head)) {}

  std::unique_ptr<HeadPolicy> twin() const override {
    return std::make_unique<SelectingHead>(*this);
  }

  void select(const PolicyQuery& query, std::vector<CacheSpan>& spans,
              SelectionTrace& trace) override {
    const SequenceTokens& tokens = query.tokens;
    const int top = tokens.levels() - 1;
    const std::int32_t tops = selected_tops(tokens, facts_, query.position);
    if (!selects_ || tops == 0) {
      append_section5(tokens, settings_.gist, query.position, spans);
      return;
    }
    choose(query, top, tops, trace);
    append_view(query, top, tops, trace.picks, spans);
  }

 private:
  void choose(const PolicyQuery& query, int top, std::int32_t tops, SelectionTrace& trace) {
    trace.picks.assign(static_cast<std::size_t>(top) + 1, {});
    const DescentInput input = {settings_.selection, query.position + 1, settings_.shape.group(),
                                settings_.shape.width};
    const int start = settings_.descend ? top : 0;
    for (std::int64_t h = 0; h < settings_.shape.group(); ++h) {
      // Candidates are stretches of gists of a level.
      std::vector<CacheSpan> candidates = {{start, 0, query.tokens.covered(start, top, tops)}};
      for (int level = start; level >= 0; --level) {
        scores_.clear();
        index_.clear();
        for (const CacheSpan& stretch : candidates) {
          pivots_.append(query, h, level, stretch.begin, stretch.end, scores_);
          for (std::int32_t j = stretch.begin; j < stretch.end; ++j) index_.push_back(j);
        }
        trace.scored += static_cast<std::int64_t>(scores_.size());
        candidates.clear();
        for (const std::int32_t at : pick(input, scores_, query.tokens.covered(level, top, tops))) {
          const std::int32_t picked = index_[static_cast<std::size_t>(at)];
          trace.picks[static_cast<std::size_t>(level)].push_back(picked);
          if (level == 0) continue;
          const std::vector<std::int32_t>& child = query.tokens.gists(level).first_child;
          candidates.push_back({level - 1, child[static_cast<std::size_t>(picked)],
                                child[static_cast<std::size_t>(picked) + 1]});
        }
      }
    }
    for (std::vector<std::int32_t>& picks : trace.picks) {
      std::sort(picks.begin(), picks.end());
      picks.erase(std::unique(picks.begin(), picks.end()), picks.end());
    }
  }

  void append_view(const PolicyQuery& query, int top, std::int32_t tops,
                   const std::vector<std::vector<std::int32_t>>& picks,
                   std::vector<CacheSpan>& spans) const {
    const SequenceTokens& tokens = query.tokens;
    append_unpicked(tokens, settings_.gist, query.position, tops, spans);
    for (int level = 0; level <= top; ++level) {
      if (settings_.selection.unfold == Unfold::all_gists) {
        spans.push_back({section_of(level), 0, tokens.covered(level, top, tops)});
      }
      for (const std::int32_t j : picks[static_cast<std::size_t>(level)]) {
        if (settings_.selection.unfold == Unfold::picked_gists) {
          spans.push_back({section_of(level), j, j + 1});
        }
        if (level > 0) continue;
        const std::vector<std::int32_t>& raw = tokens.gists(0).first_child;
        spans.push_back(
            {0, raw[static_cast<std::size_t>(j)], raw[static_cast<std::size_t>(j) + 1]});
      }
    }
  }

  const Settings& settings_;
  SequenceFacts facts_;
  bool selects_;
  PivotScores pivots_;
  std::vector<double> scores_;
  std::vector<std::int32_t> index_;
};

class SelectingPolicy : public AttentionPolicy {
 public:
  explicit SelectingPolicy(Settings settings) : settings_(std::move(settings)) {}
  bool gists() const override { return true; }
  std::unique_ptr<HeadPolicy> head(const SequenceFacts& facts, std::int64_t layer,
                                   std::int64_t kv_head) const override {
    return std::make_unique<SelectingHead>(settings_, facts, layer, kv_head);
  }
  std::int64_t sparse_from() const override { return settings_.first_layer; }
  bool step_view(const SequenceFacts& facts, const SequenceTokens& tokens, std::int64_t position,
                 bool sparse, StepView& view) const override;

 private:
  Settings settings_;
};

bool SelectingPolicy::step_view(const SequenceFacts& facts, const SequenceTokens& tokens,
                                std::int64_t position, bool sparse, StepView& view) const {
  const SelectionConfig& selection = settings_.selection;
  // Other pivots are made on the host; top_p asks for scores before it knows a count. With anchors
  // the raw tokens that are read anyway are more than two stretches.
  if (selection.pivot != Pivot::gist || selection.budget == Budget::top_p ||
      !tokens.anchors().empty()) {
    return false;
  }
  std::vector<CacheSpan> spans;
  view.start = -1;
  const std::int32_t tops = sparse ? selected_tops(tokens, facts, position) : 0;
  if (tops == 0) {
    append_section5(tokens, settings_.gist, position, spans);
    return set_spans(std::move(spans), view);
  }
  const int top = tokens.levels() - 1;
  append_unpicked(tokens, settings_.gist, position, tops, spans);
  for (int level = 0; level <= top; ++level) {
    const std::int32_t gists = tokens.covered(level, top, tops);
    view.gists[level] = gists;
    view.picks[level] = static_cast<std::int32_t>(
        pick_count(selection, position + 1, settings_.shape.group(), gists));
    if (selection.unfold == Unfold::all_gists) spans.push_back({section_of(level), 0, gists});
  }
  view.start = settings_.descend ? top : 0;
  view.picked_gists = selection.unfold == Unfold::picked_gists ? 1 : 0;
  view.raw_begin = sink_count(tokens, settings_.gist, position, 0);
  view.raw_end =
      std::min(first_visible(tokens, settings_.gist, position, 0), tokens.covered(-1, top, tops));
  return set_spans(std::move(spans), view);
}

}  // namespace

std::unique_ptr<AttentionPolicy> make_selecting_policy(const SelectionConfig& config, bool descend,
                                                       std::int64_t first_layer,
                                                       const GistConfig& gist,
                                                       const AttentionShape& shape) {
  return std::make_unique<SelectingPolicy>(Settings{config, descend, first_layer, gist, shape});
}

}  // namespace unfold::gsa
