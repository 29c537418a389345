#include "cli/config/validate.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>

#include "core/error.h"
#include "gsa/links.h"
#include "gsa/policies/policy.h"

namespace unfold::cli {
namespace {

class Rules {
 public:
  Rules(const Config& config, const Origins& origins) : config_(config), origins_(origins) {}

  void check_all() const {
    check_model();
    check_rope();
    check_gist();
    check_selection();
    check_train();
    check_schedule();
    check_eval();
  }

 private:
  // keys: those the rule is about; the place told is that of the first one that was set at all.
  template <typename... Args>
  void rule(bool holds, std::initializer_list<std::string_view> keys,
            fmt::format_string<Args...> message, Args&&... args) const {
    if (holds) return;
    const auto set = std::find_if(keys.begin(), keys.end(),
                                  [&](std::string_view key) { return origins_.is_set(key); });
    const std::string& place = origins_.of(set == keys.end() ? *keys.begin() : *set);
    core::fail("config", "{}: {}", place, fmt::format(message, std::forward<Args>(args)...));
  }

  void check_model() const {
    const auto& model = config_.model;
    rule(model.heads % model.kv_heads == 0, {"model.kv_heads", "model.heads"},
         "model.heads = {} is not a multiple of model.kv_heads = {}: change one of them",
         model.heads, model.kv_heads);
    rule(model.head_dim > 0 || model.width % model.heads == 0, {"model.heads", "model.width"},
         "model.width = {} is not a multiple of model.heads = {}: change one of them, or set "
         "model.head_dim",
         model.width, model.heads);
    rule(model.head_width() > 0 && model.head_width() % 2 == 0,
         {"model.head_dim", "model.heads", "model.width"},
         "the head width is {}, but rotary positions need an even one: change model.head_dim, "
         "model.heads or model.width",
         model.head_width());
  }

  void check_rope() const {
    const auto& rope = config_.model.rope;
    const bool scaled = rope.scaling != models::RopeScaling::none;
    rule(scaled || rope.factor == 1.0, {"model.rope.factor"},
         "model.rope.factor = {} does nothing with model.rope.scaling = none: set a scaling or "
         "leave the factor at 1",
         rope.factor);
    rule(rope.scaling != models::RopeScaling::llama3 ||
             rope.low_frequency_factor < rope.high_frequency_factor,
         {"model.rope.low_frequency_factor", "model.rope.high_frequency_factor"},
         "model.rope.low_frequency_factor = {} must be below model.rope.high_frequency_factor = {}",
         rope.low_frequency_factor, rope.high_frequency_factor);
    rule(rope.scaling != models::RopeScaling::yarn || rope.beta_slow < rope.beta_fast,
         {"model.rope.beta_slow", "model.rope.beta_fast"},
         "model.rope.beta_slow = {} must be below model.rope.beta_fast = {}", rope.beta_slow,
         rope.beta_fast);
    const std::int64_t row = config_.train.row_length;
    rule(config_.model.dropout == 0 || row * config_.model.width % 4 == 0,
         {"model.dropout", "train.row_length", "model.width"},
         "model.dropout draws four elements at once: train.row_length = {} times model.width = {} "
         "must be a multiple of 4",
         row, config_.model.width);
  }

  void check_gist() const {
    const auto& chunks = config_.gist.chunks;
    const std::int64_t row_length = config_.train.row_length;
    rule(config_.gist.levels() <= gsa::kMaxLevels, {"gist.chunks"},
         "gist.chunks has {} levels: at most {} are supported", chunks.size(), gsa::kMaxLevels);
    check_links();
    if (chunks.empty()) return;
    rule(chunks[0] <= row_length, {"gist.chunks", "train.row_length"},
         "gist.chunks: a chunk of {} tokens is longer than a row (train.row_length = {}): shorten "
         "the chunk or lengthen the row",
         chunks[0], row_length);
    // Row lengths and chunks stay below 1e7 and 1e6, so the product cannot overflow before we
    // notice that it is too large.
    std::int64_t ratio = 1;
    for (const std::int64_t chunk : chunks) {
      ratio *= chunk;
      rule(ratio <= row_length, {"gist.chunks", "train.row_length"},
           "gist.chunks: the total ratio is {} or more, above train.row_length = {}, so no "
           "top-level gist would close: use smaller chunks or longer rows",
           ratio, row_length);
    }
  }

  void check_links() const {
    const gsa::GistConfig& gist = config_.gist;
    if (gist.links == 0) return;
    rule(gist.levels() > 0, {"gist.links", "gist.chunks"},
         "gist.links = {} stands behind documents with gists, but gist.chunks is []: set "
         "gist.chunks, for example [8], or gist.links: 0",
         gist.links);
    rule(gist.levels() <= gsa::kMaxLinkedLevels, {"gist.links", "gist.chunks"},
         "gist.chunks has {} levels: with gist.links at most {} are supported", gist.levels(),
         gsa::kMaxLinkedLevels);
    rule(config_.train.objective == train::Objective::sft, {"gist.links", "train.objective"},
         "gist.links = {} belongs to train.objective: sft, whose records have documents: set the "
         "objective, or gist.links: 0 (a run of sft gains links from train.init_from without)",
         gist.links);
    rule(config_.model.rope.scaling != models::RopeScaling::dynamic,
         {"gist.links", "model.rope.scaling"},
         "gist.links = {}: dynamic RoPE scaling rotates by the length of the sequence, so keys of "
         "documents cannot be reused: choose another model.rope.scaling, or gist.links: 0",
         gist.links);
  }

  void check_selection() const {
    const gsa::SelectionConfig& selection = config_.selection;
    rule(selection.top_p <= 1, {"selection.top_p"},
         "selection.top_p = {} is above 1: choose a share", selection.top_p);
    rule(config_.train.objective != train::Objective::sft ||
             selection.first_layer < config_.model.layers,
         {"selection.first_layer", "model.layers"},
         "selection.first_layer = {} leaves none of the {} layers to select: lower it",
         selection.first_layer, config_.model.layers);
  }

  void check_train() const {
    const auto& train = config_.train;
    rule(train.micro_rows == 0 || train.rows % train.micro_rows == 0,
         {"train.micro_rows", "train.rows"},
         "train.rows = {} is not a multiple of train.micro_rows = {}: change one of them",
         train.rows, train.micro_rows);
    rule(train.objective == train::Objective::lm || !config_.gist.chunks.empty(),
         {"train.objective", "gist.chunks"},
         "train.objective = {} needs gist tokens, but gist.chunks is []: set gist.chunks, for "
         "example [8], or train.objective: lm",
         train.objective == train::Objective::cpt ? "cpt" : "sft");
    const bool sft = train.objective == train::Objective::sft;
    rule(!sft || config_.data.format == data::DataFormat::sft, {"train.objective", "data.format"},
         "train.objective = sft needs records with answers: set data.format: sft, or "
         "train.objective: cpt");
    rule(!sft || (!train.cpt.two_branch && train.cpt.prefix_loss),
         {"cpt.two_branch", "cpt.prefix_loss"},
         "options of cpt do nothing with train.objective = sft: remove them");
    rule(sft || train.routing_weight == 0.0, {"train.routing_weight"},
         "train.routing_weight = {} belongs to train.objective: sft: set the objective, or 0",
         train.routing_weight);
    rule(sft || train.budget_anneal == 0.0, {"train.budget_anneal"},
         "train.budget_anneal = {} belongs to train.objective: sft: set the objective, or 0",
         train.budget_anneal);
    rule(train.optimizer.state_dtype == core::DType::float32 || train.dtype != core::DType::float64,
         {"optimizer.state_dtype", "train.dtype"},
         "optimizer.state_dtype = bfloat16 is for parameters of float32 or bfloat16: set "
         "train.dtype to one of them, or optimizer.state_dtype: float32");
    rule(
        train.gradient_dtype == core::DType::float32 || train.dtype == core::DType::bfloat16,
        {"train.gradient_dtype", "train.dtype"},
        "train.gradient_dtype = bfloat16 is for parameters of bfloat16: set train.dtype: bfloat16, "
        "or train.gradient_dtype: float32");
    rule(train.cpt.alignment == 0.0 || train.cpt.two_branch, {"cpt.alignment", "cpt.two_branch"},
         "cpt.alignment = {} compares the two branches: set cpt.two_branch: true, or "
         "cpt.alignment: 0",
         train.cpt.alignment);
  }

  void check_schedule() const {
    const auto& schedule = config_.train.schedule;
    const std::int64_t steps = config_.train.steps;
    rule(schedule.warmup <= steps, {"schedule.warmup", "train.steps"},
         "schedule.warmup = {} is longer than train.steps = {}: shorten the warm-up",
         schedule.warmup, steps);
    const double decay = schedule.decay_fraction * static_cast<double>(steps);
    rule(schedule.kind != train::ScheduleKind::wsd ||
             static_cast<double>(schedule.warmup) + decay <= static_cast<double>(steps),
         {"schedule.decay_fraction", "schedule.warmup", "train.steps"},
         "warm-up ({} steps) and decay ({} of {} steps) overlap: shorten schedule.warmup or "
         "schedule.decay_fraction",
         schedule.warmup, schedule.decay_fraction, steps);
  }

  void check_eval() const {
    for (const std::string& name : config_.eval.methods) {
      const auto kind = gsa::policy_from_name(name);
      const bool gists = kind && gsa::reads_gists(*kind);
      rule(!gists || !config_.gist.chunks.empty(), {"eval.methods", "gist.chunks"},
           "eval.methods lists {}, but gist.chunks is []: set eval.methods: [full]", name);
    }
    for (const double ratio : config_.eval.ratios) {
      rule(ratio == 0 || ratio >= 1, {"eval.ratios"},
           "eval.ratios has {}: choose 1 or more, or 0 for the ratio of the gists", ratio);
    }
    rule(!config_.eval.ratios.empty(), {"eval.ratios"},
         "eval.ratios is empty: list some, or 0 for the ratio of the gists");
    const eval::RagConfig& rag = config_.eval.rag;
    rule(rag.question.find("{question}") != std::string::npos, {"eval.rag.question"},
         "eval.rag.question has no {{question}}: put it where the question goes");
    for (const std::int64_t at : rag.gold_at) {
      rule(!rag.records.empty() || at < rag.documents, {"eval.rag.gold_at", "eval.rag.documents"},
           "eval.rag.gold_at has {}, but generated questions have {} documents, counted from 0", at,
           rag.documents);
    }
    const std::int64_t longest = config_.eval.longbench.max_length;
    rule(longest == 0 || longest >= 2, {"eval.longbench.max_length"},
         "eval.longbench.max_length = {}: choose 2 or more, or 0", longest);
  }

  const Config& config_;
  const Origins& origins_;
};

}  // namespace

void validate(const Config& config, const Origins& origins) {
  Rules(config, origins).check_all();
}

}  // namespace unfold::cli
