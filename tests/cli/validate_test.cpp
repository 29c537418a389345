// Rules between keys.
#include <gtest/gtest.h>

#include <string>

#include "tests/cli/config_errors.h"

namespace unfold::cli {
namespace {

TEST(Validate, Heads) {
  EXPECT_EQ(error_of("model:\n  heads: 6\n  kv_heads: 4\n  width: 60\n"),
            "[config] demo.yaml:3: model.heads = 6 is not a multiple of model.kv_heads = 4: change "
            "one of them");
  EXPECT_EQ(error_of("model: {width: 100}\n"),
            "[config] demo.yaml:1: model.width = 100 is not a multiple of model.heads = 8: change "
            "one of them, or set model.head_dim");
  EXPECT_EQ(error_of("model: {width: 100, head_dim: 16}\n"), "no error");
  EXPECT_EQ(error_of("model: {width: 40}\n"),
            "[config] demo.yaml:1: the head width is 5, but rotary positions need an even one: "
            "change model.head_dim, model.heads or model.width");
  EXPECT_EQ(error_of("model: {head_dim: 15}\n").find("the head width is 15") != std::string::npos,
            true);
}

TEST(Validate, Rope) {
  EXPECT_EQ(error_of("model.rope: {factor: 4}\n"),
            "[config] demo.yaml:1: model.rope.factor = 4 does nothing with model.rope.scaling = "
            "none: set a scaling or leave the factor at 1");
  EXPECT_EQ(error_of("model.rope: {factor: 4, scaling: linear}\n"), "no error");
  EXPECT_EQ(error_of("model.rope: {scaling: llama3, low_frequency_factor: 4}\n"),
            "[config] demo.yaml:1: model.rope.low_frequency_factor = 4 must be below "
            "model.rope.high_frequency_factor = 4");
  EXPECT_EQ(
      error_of("model.rope: {scaling: yarn, beta_fast: 1}\n"),
      "[config] demo.yaml:1: model.rope.beta_slow = 1 must be below model.rope.beta_fast = 1");
}

TEST(Validate, ChunksFitTheRow) {
  EXPECT_EQ(error_of("gist:\n  chunks: [2048]\n"),
            "[config] demo.yaml:2: gist.chunks: a chunk of 2048 tokens is longer than a row "
            "(train.row_length = 1024): shorten the chunk or lengthen the row");
  EXPECT_EQ(error_of("train: {row_length: 6}\n"),
            "[config] demo.yaml:1: gist.chunks: a chunk of 8 tokens is longer than a row "
            "(train.row_length = 6): shorten the chunk or lengthen the row");
  EXPECT_EQ(error_of("gist: {chunks: [1024]}\n"), "no error");
  EXPECT_NE(error_of("gist: {chunks: [32, 33]}\n").find("the total ratio is 1056 or more"),
            std::string::npos);
  EXPECT_NE(error_of("gist: {chunks: [1000, 1000000, 1000000, 1000000, 1000000]}\n")
                .find("the total ratio is 1000000000 or more"),
            std::string::npos);
  EXPECT_EQ(error_of("gist: {chunks: [1,1,1,1,1,1,1,1,1]}\n"),
            "[config] demo.yaml:1: gist.chunks has 9 levels: at most 8 are supported");
}

TEST(Validate, MicroRowsDivideRows) {
  EXPECT_EQ(
      error_of("train: {rows: 8, micro_rows: 3}\n"),
      "[config] demo.yaml:1: train.rows = 8 is not a multiple of train.micro_rows = 3: change "
      "one of them");
  EXPECT_EQ(
      error_of("train: {rows: 8, micro_rows: 16}\n").find("is not a multiple") != std::string::npos,
      true);
}

TEST(Validate, ObjectiveNeedsItsParts) {
  EXPECT_EQ(error_of("eval: {methods: [full]}\ngist: {chunks: []}\n"),
            "[config] demo.yaml:2: train.objective = cpt needs gist tokens, but gist.chunks is []: "
            "set gist.chunks, for example [8], or train.objective: lm");
  EXPECT_EQ(error_of("train: {objective: lm}\ngist: {chunks: []}\n"),
            "[config] demo.yaml:2: eval.methods lists gist_only, but gist.chunks is []: set "
            "eval.methods: [full]");
  EXPECT_NE(error_of("eval: {ratios: [8, 0.5]}\n").find("eval.ratios has 0.5: choose 1 or more"),
            std::string::npos);
  // Configs of earlier versions, such as those in runs.
  EXPECT_NE(error_of("eval: {ratio: 0.5}\n").find("eval.ratios has 0.5: choose 1 or more"),
            std::string::npos);
  EXPECT_NE(error_of("eval: {ratio: 4, ratios: [8]}\n").find("duplicate key 'eval.ratios'"),
            std::string::npos);
  EXPECT_NE(error_of("eval: {ratios: []}\n").find("eval.ratios is empty"), std::string::npos);
  EXPECT_NE(error_of("eval: {rag: {question: \"Q: question\"}}\n").find("has no {question}"),
            std::string::npos);
  EXPECT_NE(error_of("eval: {rag: {gold_at: [3, 10]}}\n").find("eval.rag.gold_at has 10"),
            std::string::npos);
  EXPECT_EQ(error_of("eval: {ratio: 4, methods: [quest, h_gsa]}\n"), "no error");
  EXPECT_EQ(error_of("train: {gradient_dtype: bfloat16, dtype: bfloat16}\n"), "no error");
  EXPECT_NE(error_of("train: {gradient_dtype: bfloat16}\n").find("set train.dtype: bfloat16"),
            std::string::npos);
  EXPECT_EQ(error_of("cpt: {alignment: 1e-4}\n"),
            "[config] demo.yaml:1: cpt.alignment = 0.0001 compares the two branches: set "
            "cpt.two_branch: true, or cpt.alignment: 0");
}

TEST(Validate, LinksAreForRecordsBehindGists) {
  const std::string sft = "data: {format: sft}\ntrain: {objective: sft}\n";
  EXPECT_EQ(error_of("gist: {links: 5}\n" + sft), "no error");
  EXPECT_EQ(error_of("gist: {links: 5}\n"),
            "[config] demo.yaml:1: gist.links = 5 belongs to train.objective: sft, whose records "
            "have documents: set the objective, or gist.links: 0 (a run of sft gains links from "
            "train.init_from without)");
  EXPECT_EQ(error_of("eval: {methods: [full]}\ngist: {chunks: [], links: 5}\n" + sft),
            "[config] demo.yaml:2: gist.links = 5 stands behind documents with gists, but "
            "gist.chunks is []: set gist.chunks, for example [8], or gist.links: 0");
  EXPECT_EQ(error_of("gist: {chunks: [1,1,1,1,1,1,1], links: 5}\n" + sft),
            "[config] demo.yaml:1: gist.chunks has 7 levels: with gist.links at most 6 are "
            "supported");
  EXPECT_NE(error_of("gist: {links: 5}\nmodel.rope: {scaling: dynamic, factor: 2}\n" + sft)
                .find("dynamic RoPE scaling rotates by the length"),
            std::string::npos);
  EXPECT_NE(error_of("gist: {links: 5}\ncpt: {two_branch: true}\n" + sft).find("options of cpt"),
            std::string::npos);
}

TEST(Validate, StateDType) {
  EXPECT_EQ(error_of("optimizer: {state_dtype: bfloat16}\n"), "no error");
  EXPECT_EQ(error_of("optimizer: {state_dtype: bfloat16}\ntrain: {dtype: float64}\n"),
            "[config] demo.yaml:1: optimizer.state_dtype = bfloat16 is for parameters of float32 "
            "or bfloat16: set train.dtype to one of them, or optimizer.state_dtype: float32");
}

TEST(Validate, Schedule) {
  EXPECT_EQ(error_of("schedule: {warmup: 301}\n"),
            "[config] demo.yaml:1: schedule.warmup = 301 is longer than train.steps = 300: shorten "
            "the warm-up");
  EXPECT_EQ(error_of("schedule: {warmup: 300}\n"), "no error");
  EXPECT_EQ(
      error_of("schedule: {kind: wsd, warmup: 200, decay_fraction: 0.5}\n"),
      "[config] demo.yaml:1: warm-up (200 steps) and decay (0.5 of 300 steps) overlap: shorten "
      "schedule.warmup or schedule.decay_fraction");
}

TEST(Validate, NamesTheOverrideAtFault) {
  EXPECT_EQ(error_of("train: {rows: 8}\n", {"train.micro_rows=3"}),
            "[config] --set train.micro_rows=3: train.rows = 8 is not a multiple of "
            "train.micro_rows = 3: change one of them");
}

}  // namespace
}  // namespace unfold::cli
