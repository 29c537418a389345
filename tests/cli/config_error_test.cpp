// Every mistake in a config: one line that says what, where and what to do.
#include <gtest/gtest.h>

#include <string>

#include "tests/cli/config_errors.h"

namespace unfold::cli {
namespace {

TEST(ConfigError, UnknownKeyTellsTheNearest) {
  EXPECT_EQ(error_of("run: {dir: a}\ntrain:\n  stps: 3\n"),
            "[config] demo.yaml:3: unknown key 'train.stps': did you mean 'train.steps'?");
  EXPECT_EQ(error_of("trian: {steps: 3}\n"),
            "[config] demo.yaml:1: unknown key 'trian': did you mean 'train'?");
  EXPECT_EQ(error_of("train: {lr: 3}\n"),
            "[config] demo.yaml:1: unknown key 'train.lr': did you mean 'optimizer.lr'?");
  EXPECT_EQ(error_of("steps: 3\n"),
            "[config] demo.yaml:1: unknown key 'steps': did you mean 'train.steps'?");
  EXPECT_EQ(
      error_of("model: {rope: {teta: 3}}\n"),
      "[config] demo.yaml:1: unknown key 'model.rope.teta': did you mean 'model.rope.theta'?");
  EXPECT_EQ(
      error_of("zzzzzzzz: 3\n"),
      "[config] demo.yaml:1: unknown key 'zzzzzzzz': 'unfold config reference' lists all keys");
}

TEST(ConfigError, WrongTypeTellsExpectedAndFound) {
  EXPECT_EQ(error_of("\ntrain:\n  steps: many\n"),
            "[config] demo.yaml:3: train.steps: expected an integer, found 'many'");
  EXPECT_EQ(error_of("train: {steps: 3.5}\n"),
            "[config] demo.yaml:1: train.steps: expected an integer, found '3.5'");
  EXPECT_EQ(error_of("train: {steps: '3'}\n"),
            "[config] demo.yaml:1: train.steps: expected an integer, found the quoted text '3'");
  EXPECT_EQ(error_of("train: {steps: !!str 3}\n"),
            "[config] demo.yaml:1: train.steps: expected an integer, found the quoted text '3'");
  EXPECT_EQ(error_of("train: {steps: [3]}\n"),
            "[config] demo.yaml:1: train.steps: expected an integer, found a list");
  EXPECT_EQ(error_of("train: {steps: {a: 3}}\n"),
            "[config] demo.yaml:1: train.steps: expected an integer, found a map of keys");
  EXPECT_EQ(error_of("train: {steps: }\n"),
            "[config] demo.yaml:1: train.steps: expected an integer, found nothing");
  EXPECT_EQ(error_of("optimizer: {lr: 1e-3x}\n"),
            "[config] demo.yaml:1: optimizer.lr: expected a number, found '1e-3x'");
  EXPECT_EQ(error_of("model: {qkv_bias: yes}\n"),
            "[config] demo.yaml:1: model.qkv_bias: expected true or false, found 'yes'");
  EXPECT_EQ(error_of("run: {dir: ~}\n"),
            "[config] demo.yaml:1: run.dir: expected text (\"\" for none), found nothing");
  EXPECT_EQ(error_of("gist: {chunks: [8, x]}\n"),
            "[config] demo.yaml:1: gist.chunks: expected an integer, found 'x'");
  EXPECT_EQ(error_of("gist: {chunks: \"8,4\"}\n"),
            "[config] demo.yaml:1: gist.chunks: expected an integer, found the quoted text '8,4'");
  EXPECT_EQ(
      error_of("gist:\n  chunks: 8,4\n"),
      "[config] demo.yaml:2: gist.chunks: expected a list of integers, found '8,4': put a list "
      "in brackets, [8,4]");
  EXPECT_EQ(
      error_of("data: {train: {a: b}}\n"),
      "[config] demo.yaml:1: data.train: expected text or a list of texts, found a map of keys");
  EXPECT_EQ(error_of("run: {seed: -1}\n"),
            "[config] demo.yaml:1: run.seed: expected an integer >= 0, found '-1'");
  EXPECT_EQ(error_of("run: {dir: \"a\\0b\"}\n"),
            "[config] demo.yaml:1: run.dir: a NUL character is not allowed");
}

TEST(ConfigError, OutOfRangeTellsTheRange) {
  EXPECT_EQ(error_of("train:\n  steps: 0\n"),
            "[config] demo.yaml:2: train.steps: 0 is out of range: must be >= 1 and <= 1000000000");
  EXPECT_EQ(error_of("model: {dropout: 1}\n"),
            "[config] demo.yaml:1: model.dropout: 1 is out of range: must be >= 0 and < 1");
  EXPECT_EQ(error_of("optimizer: {lr: 0}\n"),
            "[config] demo.yaml:1: optimizer.lr: 0 is out of range: must be > 0");
  EXPECT_EQ(error_of("gist: {chunks: [8, 0]}\n"),
            "[config] demo.yaml:1: gist.chunks: 0 is out of range: must be >= 1 and <= 1000000");
}

TEST(ConfigError, NumbersMustFitAndBeFinite) {
  EXPECT_EQ(error_of("train: {steps: 9223372036854775808}\n"),
            "[config] demo.yaml:1: train.steps: '9223372036854775808' does not fit in 64 bits");
  EXPECT_EQ(error_of("run: {seed: 18446744073709551616}\n"),
            "[config] demo.yaml:1: run.seed: '18446744073709551616' does not fit in 64 bits");
  EXPECT_EQ(error_of("optimizer: {lr: 1e999}\n"),
            "[config] demo.yaml:1: optimizer.lr: '1e999' does not fit in a float64");
  for (const std::string number : {".nan", ".inf", "-.inf", "nan", "inf", "-infinity"}) {
    EXPECT_EQ(error_of("optimizer: {lr: " + number + "}\n"),
              "[config] demo.yaml:1: optimizer.lr: '" + number + "' is not a finite number");
  }
}

TEST(ConfigError, UnknownChoiceListsChoices) {
  EXPECT_EQ(error_of("train: {objective: ctp}\n"),
            "[config] demo.yaml:1: train.objective: unknown choice 'ctp': did you mean 'cpt'? "
            "choices: lm, cpt, sft");
  EXPECT_EQ(
      error_of("train: {dtype: int32}\n"),
      "[config] demo.yaml:1: train.dtype: unknown choice 'int32': choices: float32, bfloat16, "
      "float64");
  EXPECT_EQ(
      error_of("eval: {tasks: [recall, passkeys]}\n"),
      "[config] demo.yaml:1: eval.tasks: unknown choice 'passkeys': did you mean 'passkey'? "
      "choices: perplexity, answers, recall, passkey, multikey, lambada, perplexity_by_context, "
      "longbench, longbench_e, rag, probe");
  EXPECT_EQ(error_of("eval: {methods: [full, full]}\n"),
            "[config] demo.yaml:1: eval.methods: 'full' is listed twice: name it once");
}

TEST(ConfigError, DuplicateKeys) {
  EXPECT_EQ(error_of("train:\n  steps: 3\n  rows: 4\n  steps: 5\n"),
            "[config] demo.yaml:4: duplicate key 'train.steps': it was set at demo.yaml:2 already");
  EXPECT_EQ(error_of("train: {steps: 3}\nrun: {seed: 1}\ntrain: {rows: 4}\n"),
            "[config] demo.yaml:3: duplicate key 'train': it was set at demo.yaml:1 already");
  EXPECT_EQ(error_of("train: {steps: 3}\ntrain.steps: 4\n"),
            "[config] demo.yaml:2: duplicate key 'train.steps': it was set at demo.yaml:1 already");
}

TEST(ConfigError, Structure) {
  EXPECT_EQ(error_of("train: 3\n"),
            "[config] demo.yaml:1: 'train' is a section: expected a map of keys, found '3'");
  EXPECT_EQ(error_of("train:\n"),
            "[config] demo.yaml:1: 'train' is a section: expected a map of keys, found nothing");
  EXPECT_EQ(error_of("- a\n- b\n"),
            "[config] demo.yaml:1: expected a map of sections (run:, model:, ...), found a list");
  EXPECT_EQ(error_of("hello\n"),
            "[config] demo.yaml:1: expected a map of sections (run:, model:, ...), found 'hello'");
  EXPECT_EQ(error_of("? [a]\n: 3\n"),
            "[config] demo.yaml:1: a key must be plain text, found a list");
  EXPECT_EQ(error_of("run: {seed: 1}\n---\nrun: {seed: 2}\n"),
            "[config] demo.yaml:2:1: text behind the end of the first YAML document: keep one "
            "document");
}

TEST(ConfigError, EmptyConfig) {
  const std::string expected =
      "[config] demo.yaml: empty config: set at least one key, for example 'run: {dir: "
      "runs/first}'";
  EXPECT_EQ(error_of(""), expected);
  EXPECT_EQ(error_of("\n# only a comment\n"), expected);
  EXPECT_EQ(error_of("---\n"), expected);
  EXPECT_EQ(error_of("{}\n"), expected);
}

TEST(ConfigError, SyntaxErrorsTellLineAndColumn) {
  const std::string unclosed = error_of("run:\n  dir: [a, b\n");
  EXPECT_TRUE(unclosed.starts_with("[config] demo.yaml:3:1: not valid YAML: ")) << unclosed;
  const std::string tab = error_of("run:\n\tdir: a\n");
  EXPECT_TRUE(tab.starts_with("[config] demo.yaml:2:")) << tab;
  const std::string anchor = error_of("run: {dir: *nowhere}\n");
  EXPECT_TRUE(anchor.starts_with("[config] demo.yaml:1:12: not valid YAML: ")) << anchor;
}

TEST(ConfigError, BytesThatAreNotText) {
  EXPECT_EQ(
      error_of("run:\n  dir: a\x04\n"),
      "[config] demo.yaml:2:9: byte 0x04 does not belong here: write the config as UTF-8 text");
  EXPECT_EQ(error_of("run: {dir: \xff}\n"),
            "[config] demo.yaml:1:12: byte 0xff does not belong here: write the config as UTF-8 "
            "text");
  EXPECT_EQ(error_of("run: {seed: 1}\n", {"run.dir=\xc3"}).find("byte 0xc3 does not belong here") !=
                std::string::npos,
            true);
}

TEST(ConfigError, Overrides) {
  const std::string yaml = "run: {seed: 1}\n";
  EXPECT_EQ(error_of(yaml, {"train.stps=3"}),
            "[config] --set train.stps=3: unknown key 'train.stps': did you mean 'train.steps'?");
  EXPECT_EQ(error_of(yaml, {"train.steps=x"}),
            "[config] --set train.steps=x: train.steps: expected an integer, found 'x'");
  EXPECT_EQ(error_of(yaml, {"train.steps="}),
            "[config] --set train.steps=: train.steps: expected an integer, found nothing");
  EXPECT_EQ(error_of(yaml, {"train.steps"}),
            "[config] --set train.steps: expected key=value, for example --set train.steps=100");
  EXPECT_EQ(error_of(yaml, {"=3"}),
            "[config] --set =3: expected key=value, for example --set train.steps=100");
  EXPECT_EQ(error_of(yaml, {"train=3"}),
            "[config] --set train=3: 'train' is a section: expected a map of keys, found '3'");
  EXPECT_EQ(error_of(yaml, {"gist.chunks=[8"})
                .rfind("[config] --set gist.chunks=[8: not valid "
                       "YAML: ",
                       0),
            0u);
  EXPECT_EQ(error_of(yaml, {"train.steps=3\n---\n4"}),
            "[config] --set train.steps=3\\n---\\n4: text behind the end of the first YAML "
            "document: keep one document");
}

TEST(ConfigError, LongAndControlTextIsCutAndEscaped) {
  const std::string line = error_of("train: {steps: \"" + std::string(500, 'x') + "\"}\n");
  EXPECT_LT(line.size(), 200u);
  EXPECT_NE(line.find("xxx...'"), std::string::npos) << line;
  EXPECT_EQ(error_of("train: {steps: \"a\\nb\\x07\"}\n"),
            "[config] demo.yaml:1: train.steps: expected an integer, found the quoted text "
            "'a\\nb\\x07'");
}

}  // namespace
}  // namespace unfold::cli
