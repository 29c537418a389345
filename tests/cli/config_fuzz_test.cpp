// Hostile configs: every outcome is a config or a UserError of one line, soon and in little memory.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

#include "tests/cli/config_errors.h"

namespace unfold::cli {
namespace {

// True for a config and for a good error message; anything else escapes and fails the test.
bool survives(const std::string& yaml) {
  try {
    parse_config(yaml, "fuzz.yaml");
    return true;
  } catch (const core::UserError& error) {
    const std::string what = error.what();
    return what.starts_with("[config] fuzz.yaml") && what.size() < 400;
  }
}

const std::string& valid_yaml() {
  static const std::string text = R"(# A config with a bit of everything.
run: {dir: "runs/a b", seed: 42}
model:
  width: &w 64
  heads: 4
  ffn: *w
  rope: {theta: 1e4, scaling: llama3, factor: 8}
gist:
  chunks: [4, 4]
  rule: word
data:
  train: [a.h5, 'b.h5']
  tokenizer: |
    byte
train: {objective: cpt, steps: 300, rows: 8}
optimizer.lr: !!float 0.001
eval:
  tasks:
    - perplexity
    - recall
)";
  return text;
}

TEST(ConfigFuzz, SeedIsValid) {
  EXPECT_EQ(error_of(valid_yaml()), "no error");
}

TEST(ConfigFuzz, Truncations) {
  for (std::size_t size = 0; size < valid_yaml().size(); ++size) {
    EXPECT_TRUE(survives(valid_yaml().substr(0, size))) << size;
  }
}

TEST(ConfigFuzz, RandomMutations) {
  std::mt19937 random(1234);
  const std::string alphabet = "{}[]:,-?&*!|>'\"%@`#~ \n\t\r\\.0129eEax<\xff\xc3\x00\x85";
  const auto below = [&](std::size_t n) { return random() % n; };
  for (int round = 0; round < 4000; ++round) {
    std::string text = valid_yaml();
    for (std::size_t edits = 1 + below(6); edits > 0 && !text.empty(); --edits) {
      const std::size_t at = below(text.size());
      switch (below(4)) {
        case 0:
          text.erase(at, 1 + below(8));
          break;
        case 1:
          text.insert(at, 1, alphabet[below(alphabet.size())]);
          break;
        case 2:
          text[at] = static_cast<char>(random());
          break;
        default:
          text.insert(at, text.substr(below(text.size()), below(40)));
          break;
      }
    }
    EXPECT_TRUE(survives(text)) << "round " << round << "\n" << text;
  }
}

TEST(ConfigFuzz, RandomBytes) {
  std::mt19937 random(99);
  for (int round = 0; round < 1000; ++round) {
    std::string text(random() % 200, '\0');
    for (char& c : text) c = static_cast<char>(random());
    EXPECT_TRUE(survives(text)) << "round " << round;
  }
}

TEST(ConfigFuzz, AliasesThatMultiplyCostNothing) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    text += fmt::format("a{}: &a{} [*a{}", i, i, i - 1);
    for (int j = 1; j < 10; ++j) text += fmt::format(", *a{}", i - 1);
    text += "]\n";
  }
  EXPECT_NE(error_of(text).find("unknown key 'a0'"), std::string::npos);
  text.replace(0, 2, "data.train");
  EXPECT_NE(error_of(text).find("unknown key 'a1'"), std::string::npos);
  EXPECT_NE(error_of("data.train: &t [[*t, *t], *t]\n").find("expected text, found a list"),
            std::string::npos);
  EXPECT_NE(error_of("model: &m {rope: *m}\n").find("unknown key 'model.rope.rope'"),
            std::string::npos);
}

TEST(ConfigFuzz, DeepNesting) {
  for (const std::string open : {"[", "{a: ", "- ", "? ", "!x ", "&a ", "-\n "}) {
    std::string text = "run:\n  dir: ";
    for (int i = 0; i < 20000; ++i) text += open;
    EXPECT_TRUE(survives(text)) << open;
  }
}

TEST(ConfigFuzz, ManyItemsAndLongNames) {
  std::string list = "data.train: [";
  for (int i = 0; i < 50000; ++i) list += "a,";
  EXPECT_TRUE(survives(list + "]\n"));
  EXPECT_TRUE(survives(std::string(500000, 'k') + ": 1\n"));
  EXPECT_TRUE(survives("run: {seed: " + std::string(500000, '9') + "}\n"));
}

}  // namespace
}  // namespace unfold::cli
