#include "cli/config/sections.h"

#include "cli/config/section.h"
#include "eval/method.h"
#include "eval/tasks/task.h"

namespace unfold::cli {
namespace {

using core::DType;
using data::DataConfig;
using data::DataFormat;
using data::OnLong;
using eval::ByContextConfig;
using eval::EvalConfig;
using eval::LongBenchConfig;
using eval::ProbesConfig;
using eval::RagConfig;
using gsa::Budget;
using gsa::GistConfig;
using gsa::InsertionRule;
using gsa::SelectionConfig;
using gsa::Unfold;
using models::Architecture;
using models::DecoderConfig;
using models::RopeConfig;
using models::RopeScaling;
using train::CheckpointConfig;
using train::CptConfig;
using train::Objective;
using train::OptimizerConfig;
using train::RunConfig;
using train::ScheduleConfig;
using train::ScheduleKind;
using train::TrainConfig;

// Upper bounds are far above any sensible value: they keep products of sizes inside 64 bits.
constexpr double kMostRows = 1e6;
constexpr double kLongestRow = 1e7;
constexpr double kMostSteps = 1e9;

void add_run(Schema& schema) {
  Section run(
      schema, "run", "where the run is written, and its seed",
      [](auto& config) -> auto& { return config.run; });
  run.add("dir", &RunConfig::dir, "folder of the run: config, metrics, checkpoints, report");
  run.add("seed", &RunConfig::seed, "seed of initial weights, data order and dropout");
  run.add("device", &RunConfig::device, "where it computes: cpu, cuda or cuda:N");
}

void add_model(Schema& schema) {
  Section model(
      schema, "model", "shape of the decoder", [](auto& config) -> auto& { return config.model; });
  model.add("architecture", &DecoderConfig::architecture,
            {{"llama", Architecture::llama}, {"qwen2", Architecture::qwen2}},
            "family of the decoder; decides the names of exported weights");
  model.add("vocab_size", &DecoderConfig::vocab_size, between(0, 1e7),
            "vocabulary without gist tokens; 0: the tokenizer's");
  model.add("width", &DecoderConfig::width, between(1, 1e5), "width of the hidden state");
  model.add("layers", &DecoderConfig::layers, between(1, 1000), "decoder layers");
  model.add("heads", &DecoderConfig::heads, between(1, 1000), "query heads a layer");
  model.add("kv_heads", &DecoderConfig::kv_heads, between(1, 1000),
            "key/value heads a layer; divides heads");
  model.add("head_dim", &DecoderConfig::head_dim, between(0, 1000),
            "width of a head, even; 0: width / heads");
  model.add("ffn", &DecoderConfig::ffn, between(1, 1e6), "inner width of the gated MLP");
  model.add("norm_eps", &DecoderConfig::norm_eps, between(0, 1), "epsilon of RMSNorm");
  model.add("qkv_bias", &DecoderConfig::qkv_bias,
            "biases on the query, key and value projections (Qwen2)");
  model.add("tied_embeddings", &DecoderConfig::tied_embeddings,
            "one matrix for input embedding and output head");
  model.add("dropout", &DecoderConfig::dropout, from_below(0, 1),
            "dropout on the outputs of attention and MLP");
  model.add("init_std", &DecoderConfig::init_std, between(0, 10),
            "standard deviation of initial weights; 0: 1/sqrt(fan in)");
  model.add(
      "embedding_std", &DecoderConfig::embedding_std, between(0, 10),
      "standard deviation of the initial input embedding; 0: init_std, or 0.02 where that is 0");
  model.add("max_positions", &DecoderConfig::max_positions, between(0, 1e9),
            "positions an imported model was made for, told again by export; 0: unknown");

  Section rope(
      schema, "model.rope", "rotary position embedding",
      [](auto& config) -> auto& { return config.model.rope; });
  rope.add("theta", &RopeConfig::theta, above(0), "base of the rotation frequencies");
  rope.add("scaling", &RopeConfig::scaling,
           {{"none", RopeScaling::none},
            {"linear", RopeScaling::linear},
            {"dynamic", RopeScaling::dynamic},
            {"yarn", RopeScaling::yarn},
            {"llama3", RopeScaling::llama3}},
           "how frequencies are stretched beyond the original context");
  rope.add("factor", &RopeConfig::factor, at_least(1), "stretch; needs a scaling");
  rope.add("low_frequency_factor", &RopeConfig::low_frequency_factor, above(0),
           "llama3: wavelengths above original_context / this are stretched fully");
  rope.add("high_frequency_factor", &RopeConfig::high_frequency_factor, above(0),
           "llama3: wavelengths below original_context / this are kept");
  rope.add("beta_fast", &RopeConfig::beta_fast, above(0),
           "yarn: rotations over the original context above which a dimension is kept");
  rope.add("beta_slow", &RopeConfig::beta_slow, above(0),
           "yarn: rotations over the original context below which it is stretched fully");
  rope.add("attention_factor", &RopeConfig::attention_factor, between(0, 1e3),
           "yarn: scale of rotated queries and keys; 0: 0.1 ln(factor) + 1");
  rope.add("original_context", &RopeConfig::original_context, between(1, 1e9),
           "dynamic, yarn, llama3: tokens of context before stretching");
}

void add_gist(Schema& schema) {
  Section gist(
      schema, "gist", "how gist tokens are placed and seen",
      [](auto& config) -> auto& { return config.gist; });
  gist.add("chunks", &GistConfig::chunks, between(1, 1e6),
           "raw tokens a chunk, then gists a higher gist, one entry a level; []: no gists");
  gist.add("sinks", &GistConfig::sinks, between(0, kMostRows),
           "first tokens of a document that stay visible");
  gist.add("previous_chunks", &GistConfig::previous_chunks, between(0, kMostRows),
           "previous chunks whose raw tokens stay visible");
  gist.add("rule", &GistConfig::rule,
           {{"word", InsertionRule::word}, {"count", InsertionRule::count}},
           "word: shift a gist to the next word start when one is near; count: never shift");
  gist.add("links", &GistConfig::links, between(0, static_cast<double>(gsa::kMaxLinks)),
           "sft: link tokens behind every document of a record; documents then see themselves "
           "alone, and their keys are reused; 0: no links");
}

void add_selection(Schema& schema) {
  Section selection(
      schema, "selection", "which chunks a suffix query unfolds (sft, and methods that unfold)",
      [](auto& config) -> auto& { return config.selection; });
  selection.add(
      "budget", &SelectionConfig::budget,
      {{"paper", Budget::paper},
       {"fixed", Budget::fixed},
       {"ratio", Budget::ratio},
       {"top_p", Budget::top_p}},
      "chunks a query head picks: paper: as many as the ratio of the gists leaves; fixed: "
      "selection.chunks; ratio: as paper for selection.ratio; top_p: by attention mass");
  selection.add("chunks", &SelectionConfig::chunks, between(1, 1e6), "budget fixed: chunks a head");
  selection.add("ratio", &SelectionConfig::ratio, at_least(1),
                "budget ratio: context / attended tokens");
  selection.add("top_p", &SelectionConfig::top_p, above(0),
                "budget top_p: share of the gists' softmax mass to reach; at most 1");
  selection.add("quarter_cap", &SelectionConfig::quarter_cap,
                "never pick more than a quarter of a level's gists");
  selection.add("first_layer", &SelectionConfig::first_layer, between(0, 1000),
                "layers below it attend under the gist mask alone");
  selection.add("unfold", &SelectionConfig::unfold,
                {{"picked_gists", Unfold::picked_gists},
                 {"no_gists", Unfold::no_gists},
                 {"all_gists", Unfold::all_gists}},
                "gists a query sees besides the raw tokens of picked chunks");
}

void add_data(Schema& schema) {
  Section data(
      schema, "data", "what the model reads; paths from the working directory",
      [](auto& config) -> auto& { return config.data; });
  data.add(
      "format", &DataConfig::format, {{"text", DataFormat::text}, {"sft", DataFormat::sft}},
      "text: token shards, loss on every token; sft: JSONL records of a context with questions, "
      "loss on the answers");
  data.add("train", &DataConfig::train,
           "training shards (.h5; sft: .jsonl files) or folders of them");
  data.add("val", &DataConfig::val,
           "validation shards (.h5; sft: .jsonl files) or folders of them");
  data.add("tokenizer", &DataConfig::tokenizer,
           "byte (plain bytes), a tokenizer.json, or a folder that holds one");
  data.add("on_long", &DataConfig::on_long, {{"error", OnLong::error}, {"skip", OnLong::skip}},
           "sft: a record longer than a row stops the run, or is left out (questions and answers "
           "must fit)");
  data.add("shuffle", &DataConfig::shuffle,
           "a new order every epoch; false: the order of the files");
  data.add("prefetch", &DataConfig::prefetch, between(0, 1000), "batches prepared ahead");
}

void add_train(Schema& schema) {
  Section train(
      schema, "train", "length, size and objective of training",
      [](auto& config) -> auto& { return config.train; });
  train.add("objective", &TrainConfig::objective,
            {{"lm", Objective::lm}, {"cpt", Objective::cpt}, {"sft", Objective::sft}},
            "lm: plain full attention; cpt: next-token loss under the gist mask; sft: loss on "
            "answers, whose queries unfold the chunks they select");
  train.add("init_from", &TrainConfig::init_from,
            "run whose last checkpoint gives the initial weights; \"\": random");
  train.add("steps", &TrainConfig::steps, between(1, kMostSteps), "optimizer steps");
  train.add("rows", &TrainConfig::rows, between(1, kMostRows),
            "rows an optimizer step, over all ranks and micro-batches");
  train.add("micro_rows", &TrainConfig::micro_rows, between(0, kMostRows),
            "rows a forward pass; divides rows; 0: all of them");
  train.add("row_length", &TrainConfig::row_length, between(2, kLongestRow),
            "positions a row, gists included");
  train.add(
      "dtype", &TrainConfig::dtype,
      {{"float32", DType::float32}, {"bfloat16", DType::bfloat16}, {"float64", DType::float64}},
      "parameters and activations");
  train.add(
      "gradient_dtype", &TrainConfig::gradient_dtype,
      {{"float32", DType::float32}, {"bfloat16", DType::bfloat16}},
      "gradients of the blocks' matrices, of bfloat16 parameters; bfloat16: half their memory "
      "and traffic, rounded once; steps of several passes add up in float32 all the same");
  train.add("val_every", &TrainConfig::val_every, between(0, kMostSteps),
            "steps between validations; 0: never");
  train.add("val_rows", &TrainConfig::val_rows, between(1, kMostRows), "rows a validation");
  train.add("activation_checkpointing", &TrainConfig::activation_checkpointing,
            "recompute activations in the backward pass: less memory, more time");
  train.add("reduce_dtype", &TrainConfig::reduce_dtype,
            {{"float32", DType::float32}, {"bfloat16", DType::bfloat16}},
            "gradients on their way between ranks; bfloat16: half the bytes, rounded");
  train.add("bucket_mib", &TrainConfig::bucket_mib, between(0, 65536),
            "MiB of gradients summed over ranks at a time; 0: a sixteenth of them, 32 at the most");
  train.add("overlap", &TrainConfig::overlap,
            "sum gradients over ranks beside the backward pass; false: behind it, which can be "
            "sooner where links are fast and products fill the GPU");
  train.add("zero1", &TrainConfig::zero1,
            "share masters and moments of the optimizer out among the ranks (ZeRO-1)");
  train.add("overfit_one_batch", &TrainConfig::overfit_one_batch,
            "train on the first batch for ever (a test of the set-up)");
  train.add("routing_weight", &TrainConfig::routing_weight, at_least(0),
            "sft: weight of the routing loss, which teaches gists where full attention looks");
  train.add("budget_anneal", &TrainConfig::budget_anneal, between(0, 1),
            "sft: first part of the steps over which the budget falls from all gists; 0: none");
  train.add("log_every", &TrainConfig::log_every, between(1, kMostSteps),
            "steps between progress lines when the output is not a terminal");
}

void add_optimizer(Schema& schema) {
  Section optimizer(
      schema, "optimizer", "AdamW with decoupled weight decay",
      [](auto& config) -> auto& { return config.train.optimizer; });
  optimizer.add("lr", &OptimizerConfig::lr, above(0), "peak learning rate");
  optimizer.add("embedding_lr", &OptimizerConfig::embedding_lr, above(0),
                "learning rate of the input embedding, as a multiple of lr");
  optimizer.add("beta1", &OptimizerConfig::beta1, from_below(0, 1), "decay of the mean gradient");
  optimizer.add("beta2", &OptimizerConfig::beta2, from_below(0, 1),
                "decay of the mean squared gradient");
  optimizer.add("eps", &OptimizerConfig::eps, above(0), "added to the root of the mean square");
  optimizer.add("weight_decay", &OptimizerConfig::weight_decay, at_least(0),
                "matrices only; norms and biases are never decayed");
  optimizer.add("clip", &OptimizerConfig::clip, at_least(0),
                "global gradient norm; 0: no clipping");
  optimizer.add("state_dtype", &OptimizerConfig::state_dtype,
                {{"float32", DType::float32}, {"bfloat16", DType::bfloat16}},
                "mean gradients and mean squares; bfloat16: half their memory, rounded "
                "stochastically");

  Section schedule(
      schema, "schedule", "learning rate over the steps",
      [](auto& config) -> auto& { return config.train.schedule; });
  schedule.add("kind", &ScheduleConfig::kind,
               {{"constant", ScheduleKind::constant},
                {"cosine", ScheduleKind::cosine},
                {"wsd", ScheduleKind::wsd}},
               "shape after warm-up; wsd: stable, then falling");
  schedule.add("warmup", &ScheduleConfig::warmup, between(0, kMostSteps),
               "steps over which lr rises from 0");
  schedule.add("min_ratio", &ScheduleConfig::min_ratio, between(0, 1), "final lr / peak lr");
  schedule.add("decay_fraction", &ScheduleConfig::decay_fraction, between(0, 1),
               "wsd: last part of training over which lr falls");
}

void add_cpt(Schema& schema) {
  Section cpt(
      schema, "cpt", "options of the cpt objective",
      [](auto& config) -> auto& { return config.train.cpt; });
  cpt.add("prefix_loss", &CptConfig::prefix_loss,
          "false: no loss on tokens up to the last top-level gist");
  cpt.add("two_branch", &CptConfig::two_branch,
          "also run the batch under full attention; both losses are averaged");
  cpt.add("alignment", &CptConfig::alignment, at_least(0),
          "weight of the hidden-state alignment loss (1e-4 in the paper); needs two_branch");
}

void add_checkpoint(Schema& schema) {
  Section checkpoint(
      schema, "checkpoint", "what is saved while training",
      [](auto& config) -> auto& { return config.checkpoint; });
  checkpoint.add("every", &CheckpointConfig::every, between(0, kMostSteps),
                 "steps between checkpoints; 0: only at the end");
  checkpoint.add("keep", &CheckpointConfig::keep, between(1, 1e6),
                 "newest checkpoints kept; the best one is kept besides");
  checkpoint.add("async", &CheckpointConfig::background,
                 "write checkpoints in the background while training goes on; takes host memory "
                 "for one");
}

void add_probes(Schema& schema) {
  Section probes(
      schema, "eval.probes", "generated probes of long context, the tasks probe.*",
      [](auto& config) -> auto& { return config.eval.probes; });
  probes.add("lengths", &ProbesConfig::lengths, between(16, kLongestRow), "tokens of context");
  probes.add("depths", &ProbesConfig::depths, between(1, 1000),
             "places of what is asked for, evenly from the beginning to the end");
  probes.add("samples", &ProbesConfig::samples, between(1, 1e6), "samples a length and depth");
  probes.add("keys", &ProbesConfig::keys, between(1, 1024), "multikey: things told of");
  probes.add("values", &ProbesConfig::values, between(1, 1e4), "multivalue: numbers of one thing");
  probes.add("queries", &ProbesConfig::queries, between(1, 1024), "multiquery: things asked for");
  probes.add("chains", &ProbesConfig::chains, between(1, 1000), "variable_tracking: chains");
  probes.add("hops", &ProbesConfig::hops, between(0, 1000), "variable_tracking: hops of each");
  probes.add("chat", &ProbesConfig::chat, "ask in the chat template of the run");

  Section by_context(
      schema, "eval.by_context", "the task perplexity_by_context",
      [](auto& config) -> auto& { return config.eval.by_context; });
  by_context.add("lengths", &ByContextConfig::lengths, between(1, kLongestRow),
                 "tokens of context in front of the targets");
  by_context.add("targets", &ByContextConfig::targets, between(1, 1e5),
                 "tokens predicted at the end of every window");
  by_context.add("windows", &ByContextConfig::windows, between(1, 1e6), "windows of data.val");
}

void add_eval(Schema& schema) {
  using eval::OnBadRecord;
  Section eval(
      schema, "eval", "what is measured", [](auto& config) -> auto& { return config.eval; });
  eval.add("tasks", &EvalConfig::tasks, eval::task_names(), eval::is_task_name,
           "perplexity, perplexity_by_context and answers (to records, data.format: sft) read "
           "data.val; longbench, longbench_e, rag and probe are groups, of which "
           "longbench.hotpotqa, rag.NAME, probe.needle, ... name one; lambada reads eval.lambada; "
           "the others are generated");
  eval.add("methods", &EvalConfig::methods, eval::method_names(),
           "attention to compare: full, the gist mask, unfolding, and others at the same budget");
  eval.add("ratios", &EvalConfig::ratios, between(0, 1e6),
           "methods that choose read 1 / ratio of the context, measured at each; 0: the ratio of "
           "the gists");
  schema.add_renamed("eval.ratio", "eval.ratios");
  eval.add("rows", &EvalConfig::rows, between(1, kMostRows), "rows of data.val for perplexity");
  eval.add("samples", &EvalConfig::samples, between(1, 1e7), "samples a generated task");
  eval.add("context", &EvalConfig::context, between(16, kLongestRow),
           "raw context tokens of a generated sample");
  eval.add("limit", &EvalConfig::limit, between(0, 1e7),
           "longbench, rag, lambada: records a task, from the first on; 0: all");
  eval.add("max_length", &EvalConfig::max_length, between(0, kLongestRow),
           "longest prompt with its answer, raw tokens; 0: model.max_positions, or any");
  eval.add(
      "on_bad_record", &EvalConfig::on_bad_record,
      {{"stop", OnBadRecord::stop}, {"skip", OnBadRecord::skip}},
      "longbench, rag, lambada: what a record that cannot be used does; skipped ones are counted");
  eval.add("batch_positions", &EvalConfig::batch_positions, between(0, 1e9),
           "positions that are evaluated together; 0: by the device");
  eval.add("resume", &EvalConfig::resume,
           "go on with the predictions in RUN/predictions; false: put them aside");
  eval.add("unfolded", &EvalConfig::unfolded, between(0, 1e7),
           "samples a task whose most unfolded chunks are kept with the prediction");
  eval.add("jieba", &EvalConfig::jieba,
           "folder of the Python package jieba, for LongBench in Chinese; empty: what UNFOLD_JIEBA "
           "names, or where the package python3-jieba puts it");

  eval.add("lambada", &EvalConfig::lambada,
           "file of LAMBADA records: {\"text\"}, or context and continuation");

  Section longbench(
      schema, "eval.longbench", "LongBench v1 and LongBench-E, from the published files",
      [](auto& config) -> auto& { return config.eval.longbench; });
  longbench.add("records", &LongBenchConfig::records, "folder of NAME.jsonl and NAME_e.jsonl");
  longbench.add("config", &LongBenchConfig::config,
                "folder of dataset2prompt.json and dataset2maxlen.json");
  longbench.add("max_length", &LongBenchConfig::max_length, between(0, kLongestRow),
                "tokens of a prompt, before the chat template; longer ones lose their middle; 0: "
                "what eval.max_length leaves");
  longbench.add("chat", &LongBenchConfig::chat,
                "use the chat template of the run, where it has one and the data set is asked so");

  Section rag(
      schema, "eval.rag", "questions on documents",
      [](auto& config) -> auto& { return config.eval.rag; });
  rag.add("records", &RagConfig::records,
          "JSONL files, and folders of them: a task each, rag.NAME; []: rag.invented, generated");
  rag.add("gold_at", &RagConfig::gold_at, between(0, 1e6),
          "places, from 0, for the document with the answer: every question is asked at each; []: "
          "where it is");
  rag.add("documents", &RagConfig::documents, between(1, 1000), "of a generated question");
  rag.add("system", &RagConfig::system, "text before the documents, as in records of training");
  rag.add("question", &RagConfig::question,
          "text behind the documents, with {question}, as in records of training");
  rag.add("chat", &RagConfig::chat,
          "make all of it the user's message in the chat template of the run");
  rag.add("max_new_tokens", &RagConfig::max_new_tokens, between(1, 1e6), "longest answer");
  rag.add("stop", &RagConfig::stop, "texts that end an answer besides the end of text");

  add_probes(schema);
}

}  // namespace

void add_all_sections(Schema& schema) {
  add_run(schema);
  add_model(schema);
  add_gist(schema);
  add_selection(schema);
  add_data(schema);
  add_train(schema);
  add_optimizer(schema);
  add_cpt(schema);
  add_checkpoint(schema);
  add_eval(schema);
}

}  // namespace unfold::cli
