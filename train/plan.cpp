#include "train/plan.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "core/comm/communicator.h"
#include "core/meta.h"
#include "data/row_format.h"
#include "gsa/block_map.h"
#include "gsa/insertion.h"
#include "train/data_parallel.h"
#include "train/gradient_dtype.h"
#include "train/optimizer.h"
#include "train/step_windows.h"
#include "train/training_loss.h"

namespace unfold::train {
namespace {

ParameterPlan plan_parameters(const std::vector<models::ParameterSpec>& table) {
  ParameterPlan plan;
  for (const models::ParameterSpec& spec : table) {
    if (!spec.tied_to.empty()) continue;
    const auto holds = [&](const char* word) { return spec.name.find(word) != std::string::npos; };
    std::int64_t& kind = holds("norm")        ? plan.norm
                         : holds("embedding") ? plan.embedding
                         : holds("head")      ? plan.head
                         : holds("attention") ? plan.attention
                                              : plan.mlp;
    kind += core::element_count(spec.shape);
  }
  return plan;
}

// Multiply-adds a position in the products of all blocks.
double block_products(const std::vector<models::ParameterSpec>& table) {
  double products = 0;
  for (const models::ParameterSpec& spec : table) {
    if (models::is_block_matrix(spec)) {
      products += static_cast<double>(core::element_count(spec.shape));
    }
  }
  return products;
}

std::int64_t pairs_of(const data::Batch& batch, const gsa::GistConfig& gist,
                      gsa::Visibility visibility) {
  return gsa::count_visible_pairs(gsa::compute_reach(batch.layout, gist, visibility));
}

// Adds one forward and backward pass over each of `batches` batches. pairs: visible ones of a
// batch.
void add_passes(const TrainerConfig& config, const data::Batch& batch, std::int64_t batches,
                std::int64_t pairs, double products, Plan& plan) {
  const models::DecoderConfig& model = config.model;
  const double twice = 2 * static_cast<double>(batches);  // a multiply-add is two operations
  const double blocks = twice * static_cast<double>(batch.layout.size()) * products;
  const double head = twice * static_cast<double>(batch.valid_targets) *
                      static_cast<double>(model.vocab_size) * static_cast<double>(model.width);
  const double scores = twice * static_cast<double>(pairs) *
                        static_cast<double>(model.layers * model.heads * model.head_width());
  plan.forward.matmul += blocks + head;
  plan.forward.attention += 2 * scores;
  plan.backward.matmul += 2 * (blocks + head);
  plan.backward.attention += 5 * scores;
  if (config.train.activation_checkpointing) {
    plan.recompute.matmul += blocks;
    plan.recompute.attention += 2 * scores;
  }
}

// One optimizer step on meta, for the device of the run. Two micro-batches stand for any number of
// them.
MemoryPlan plan_memory(const TrainerConfig& config, const TrainingLoss& loss,
                       const data::Batch& batch, std::int64_t micro_batches, int ranks) {
  const core::Device meta = core::meta_for(core::device_from_name(config.run.device));
  const core::MemoryStats before = core::memory_stats(meta);
  core::check(before.current == 0, "plan", "{} bytes on meta before the plan", before.current);
  models::Decoder decoder(config.model, config.gist.levels(), config.train.dtype, meta, 0,
                          config.gist.links);
  set_gradient_dtypes(decoder, config.train, ranks);
  // The last rank has what shares leave over.
  AdamW optimizer(decoder, config.train.optimizer, 0,
                  sharding_of(config.train.zero1, ranks - 1, ranks));
  const auto world = core::make_absent_world(ranks - 1, ranks);
  std::optional<DataParallel> parallel;
  if (ranks > 1) parallel.emplace(optimizer, *world, config.train);
  decoder.reserve_positions(gsa::position_count(batch.layout));
  core::reset_peak(meta);
  models::ForwardOptions options;
  options.training = true;
  options.checkpoint_activations = config.train.activation_checkpointing;
  const std::int64_t passes = std::min<std::int64_t>(2, micro_batches);
  for (std::int64_t i = 0; i < passes; ++i) {
    const auto begin = [&] {
      if (parallel && config.train.overlap && i + 1 == passes) parallel->begin();
    };
    loss.accumulate(decoder, loss.ready(batch, meta), loss.count(batch), 0, options, begin);
  }
  if (parallel) parallel->finish();
  optimizer.squared_gradient_norm();
  const double lr = config.train.optimizer.lr;
  parallel ? parallel->prepare(lr) : optimizer.prepare(lr);
  parallel ? parallel->step(1.0) : optimizer.step(1.0);
  const core::MemoryStats stats = core::memory_stats(meta);
  return {stats.use_peak, stats.at_peak, stats.peak};
}

}  // namespace

data::Batch full_rows(const gsa::GistConfig& gist, std::int64_t vocab_size, std::int64_t rows,
                      std::int64_t row_length, std::int64_t suffix) {
  data::RowFormat format;
  format.gist = gist;
  format.gist.rule = gsa::InsertionRule::count;
  format.row_length = row_length;
  format.vocab.vocab_size = vocab_size;
  format.vocab.token_bytes.assign(static_cast<std::size_t>(vocab_size), 1);
  const std::int64_t links = gist.levels() > 0 ? gist.links : 0;
  const std::int64_t room = row_length - suffix - links;
  core::require(links == 0 || room > gist.levels(), "plan",
                "a row of {} positions has no room for a document, {} links and {} tokens behind "
                "them: raise train.row_length",
                row_length, links, suffix);
  const std::int64_t raw = gsa::longest_prefix(room, {}, format.gist, room);
  std::vector<gsa::Element> elements = gsa::insert_gists(raw, {}, format.gist);
  std::vector<gsa::Part> part;
  if (links > 0) {
    part.assign(elements.size(), gsa::Part::document);
    part.resize(part.size() + static_cast<std::size_t>(links), gsa::Part::link);
    elements.resize(part.size(), {-1, -1});
    part.resize(part.size() + static_cast<std::size_t>(suffix), gsa::Part::suffix);
  }
  for (std::int64_t i = raw; i < raw + suffix; ++i) {
    elements.push_back({static_cast<std::int32_t>(i), -1});
  }
  const std::vector<data::TokenId> tokens(static_cast<std::size_t>(raw + suffix), 0);
  data::BatchBuilder builder(format);
  for (std::int64_t row = 0; row < rows; ++row) {
    builder.add(tokens, elements, {}, part);
    builder.end_row();
  }
  return std::move(builder).build();
}

Plan make_plan(const TrainerConfig& config, int ranks) {
  const TrainConfig& train = config.train;
  const TrainingLoss loss(train, config.gist, config.selection);
  const std::int64_t rows = (train.rows + ranks - 1) / ranks;
  const std::int64_t micro_rows = largest_pass(train.rows, train.micro_rows, ranks);
  const bool sft = train.objective == Objective::sft;
  data::Batch batch = full_rows(loss.row_gists(), config.model.vocab_size, micro_rows,
                                train.row_length, sft ? train.row_length / 8 : 0);
  if (sft) drop_prefix_targets(batch);
  loss.prepare(batch);
  core::require(batch.valid_targets > 0, "plan",
                "no token of a full row of {} positions carries a loss: set cpt.prefix_loss: true, "
                "or raise train.row_length",
                train.row_length);
  const auto table = models::parameter_table(config.model, config.gist.rows());
  Plan plan;
  plan.parameters = plan_parameters(table);
  plan.micro_batches = (rows + micro_rows - 1) / micro_rows;
  plan.positions = rows * train.row_length;
  plan.raw_tokens = plan.micro_batches * count_raw_tokens(batch);
  plan.targets = plan.micro_batches * batch.valid_targets;
  plan.memory = plan_memory(config, loss, batch, plan.micro_batches, ranks);

  const std::int64_t gist_pairs = pairs_of(batch, loss.row_gists(), gsa::Visibility::gist);
  plan.visible_pairs = gist_pairs / micro_rows;
  plan.causal_pairs = pairs_of(batch, loss.row_gists(), gsa::Visibility::causal) / micro_rows;
  const double products = block_products(table);
  add_passes(config, batch, plan.micro_batches, gist_pairs, products, plan);
  if (train.cpt.two_branch) {
    const std::int64_t raw_pairs = pairs_of(batch, loss.row_gists(), gsa::Visibility::full);
    add_passes(config, batch, plan.micro_batches, raw_pairs, products, plan);
  }
  // Masters and both moments; HDF5 adds a few KiB a tensor.
  const core::DType wide = core::accumulator_of(train.dtype);
  const bool narrow = train.optimizer.state_dtype == core::DType::bfloat16;
  plan.checkpoint_bytes =
      plan.parameters.total() *
      static_cast<std::int64_t>(core::size_of(wide) +
                                2 * core::size_of(narrow ? core::DType::bfloat16 : wide));
  return plan;
}

}  // namespace unfold::train
