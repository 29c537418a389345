// unfold eval, run as a user would.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/config/config.h"
#include "cli/version.h"
#include "data/synthetic.h"
#include "eval/method.h"
#include "eval/results.h"
#include "eval/tasks/task.h"
#include "tests/cli/trained_run.h"

namespace unfold::cli {
namespace {

std::string eval_error(const std::string& arguments) {
  const ProgramResult result = run_unfold("eval " + arguments);
  EXPECT_EQ(result.code, 2) << arguments << result.err;
  EXPECT_EQ(result.out, "") << arguments;
  EXPECT_TRUE(result.err_is_one_line()) << arguments << "\n" << result.err;
  return result.err;
}

std::string contents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Eval, MeasuresARunAndWritesItsResults) {
  const TrainedRun trained("eval_run");
  const ProgramResult result = run_unfold(fmt::format("eval '{}'", trained.run()));
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string file = trained.run() + "/results.json";
  for (const std::string& part : {std::string("val bits per byte"), std::string("recall exact"),
                                  std::string("full"), std::string("gist_only"), file}) {
    EXPECT_NE(result.out.find(part), std::string::npos) << part << " in\n" << result.out;
  }
  EXPECT_NE(result.err.find("evaluating"), std::string::npos) << result.err;
  const eval::Results results = eval::read_results(file);
  EXPECT_EQ(results.rows.size(), 8u);
  EXPECT_EQ(results.step, 4);
  EXPECT_EQ(results.version, version());
  const Config stored = parse_config(results.config_yaml, "stored");
  EXPECT_EQ(stored.run.dir, trained.run());
  EXPECT_EQ(stored.eval.samples, 4);

  // Again, from the config and with the checkpoint named: nothing changes.
  const std::string before = contents(file);
  const ProgramResult again = run_unfold(fmt::format("eval '{}' --checkpoint 4", trained.config()));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out, result.out);
  EXPECT_EQ(contents(file), before);

  // Settings can be changed, and other checkpoints chosen.
  const ProgramResult other = run_unfold(
      fmt::format("eval '{}' --checkpoint 2 --set 'eval.tasks=[passkey]' --set eval.samples=3 "
                  "--set 'eval.methods=[full]'",
                  trained.run()));
  ASSERT_EQ(other.code, 0) << other.err;
  const eval::Results few = eval::read_results(file);
  ASSERT_EQ(few.rows.size(), 1u);
  EXPECT_EQ(few.rows[0].task, "passkey");
  EXPECT_EQ(few.rows[0].n, 3);
  EXPECT_EQ(few.step, 2);
  EXPECT_EQ(run_unfold(fmt::format("eval '{}' --checkpoint best", trained.run())).code, 0);

  // A run that was moved is found where it is.
  std::filesystem::rename(trained.run(), trained.file("moved"));
  EXPECT_EQ(run_unfold(fmt::format("eval '{}'", trained.file("moved"))).code, 0);
  EXPECT_TRUE(std::filesystem::exists(trained.file("moved") + "/results.json"));
}

TEST(Eval, Errors) {
  const TrainedRun trained("eval_errors");
  const std::string run = fmt::format("'{}'", trained.run());
  const auto expect = [](const std::string& error, const std::string& part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  expect(eval_error(trained.file("none")), trained.file("none") + ": no such run folder");
  expect(eval_error(trained.file("train")), "it has no config.yaml");
  expect(eval_error(trained.config() + " --set run.dir=" + trained.file("none")),
         trained.file("none") + ": no such run folder");
  expect(eval_error(run + " --checkpoint 3"), "no checkpoint of step 3: there are 2, 4");
  expect(eval_error(run + " --checkpoint newest"), "'newest'");
  expect(eval_error(run + " --set run.dir=elsewhere"), "leave run.dir out");
  expect(eval_error(run + " --set 'eval.tasks=[perplexty]'"), "did you mean 'perplexity'?");
  expect(eval_error(run + " --set 'eval.methods=[fulll]'"), "did you mean 'full'?");
  expect(eval_error(run + " --set 'data.val=[]'"), "data.val, which is empty");
  expect(eval_error(run + " --set model.width=32"), "model.width is 16 there, 32 here");
  expect(eval_error(run + " --set 'gist.chunks=[4, 2]'"), "gist.chunks has 1 levels there, 2 here");
  const std::string model = trained.run() + "/checkpoints/step-4/model.h5";
  std::filesystem::resize_file(model, std::filesystem::file_size(model) / 2);
  expect(eval_error(run), model);
  EXPECT_FALSE(std::filesystem::exists(trained.run() + "/results.json"));
}

// A model trained on the very samples knows their answers, and one that has hardly begun does not.
// With byte tokens a context of 80 tokens is one of 80 bytes. Rows do not span shards: with a
// document a shard every document has a row of its own, as a sample has.
TEST(Eval, AModelThatLearntTheSamplesRecallsThem) {
  use_one_thread();
  const TestFolder folder("eval_learnt");
  const auto path = [&](const char* name) { return (folder.path() / name).string(); };
  const std::string config = folder.write("c.yaml", fmt::format(R"(
run: {{dir: '{}', seed: 7}}
model: {{width: 32, layers: 1, heads: 2, kv_heads: 2, ffn: 64, init_std: 0.05}}
data: {{train: ['{}']}}
train: {{objective: lm, steps: 70, rows: 3, row_length: 136, overfit_one_batch: true}}
optimizer: {{lr: 2e-2, weight_decay: 0}}
checkpoint: {{every: 10, keep: 10}}
eval: {{tasks: [passkey], methods: [full], samples: 3, context: 80}}
)",
                                                                path("run"), path("shards")));
  const std::vector<std::string> commands = {
      fmt::format("data synthesize --task passkey --eval-split --seed 7 --count 3 --context 80 "
                  "--out '{}'",
                  path("a.jsonl")),
      fmt::format("data tokenize '{}' --out '{}' --shard-tokens 1", path("a.jsonl"),
                  path("shards")),
      fmt::format("train '{}'", config)};
  for (const std::string& command : commands) {
    const ProgramResult result = run_unfold(command);
    ASSERT_EQ(result.code, 0) << command << result.err;
  }
  const auto exact_match = [&](const std::string& checkpoint) {
    const ProgramResult result =
        run_unfold(fmt::format("eval '{}' --checkpoint {}", path("run"), checkpoint));
    EXPECT_EQ(result.code, 0) << result.err;
    return eval::read_results(path("run") + "/results.json").rows.at(0).value;
  };
  EXPECT_EQ(exact_match("last"), 1.0);
  EXPECT_EQ(exact_match("10"), 0.0);

  // Generation agrees: the answer, a line end, and then eos ends it.
  const data::SyntheticDocument document =
      data::make_document({.task = data::SyntheticTask::passkey,
                           .split = data::SyntheticSplit::eval,
                           .seed = 7,
                           .context = 80},
                          1);
  const std::string context = folder.write("context.txt", document.context);
  const ProgramResult generated =
      run_unfold(fmt::format("generate '{}' --context '{}' --prompt '{}'", path("run"), context,
                             document.questions[0].question));
  EXPECT_EQ(generated.code, 0) << generated.err;
  EXPECT_EQ(generated.out, fmt::format(" {}\n\n", document.questions[0].answer));
  EXPECT_NE(generated.err.find("then 7 tokens"), std::string::npos) << generated.err;
}

TEST(Eval, TheConfigKnowsEveryTaskAndMethod) {
  for (const std::string& task : eval::task_names()) {
    const Config config = parse_config("eval: {tasks: [" + task + "]}\n", "test");
    EXPECT_EQ(config.eval.tasks, std::vector<std::string>{task});
  }
  for (const std::string& method : eval::method_names()) {
    const Config config = parse_config("eval: {methods: [" + method + "]}\n", "test");
    EXPECT_EQ(config.eval.methods, std::vector<std::string>{method});
  }
}

}  // namespace
}  // namespace unfold::cli
