// unfold inspect rows CONFIG: the rows a training reads, one JSON object a row.
#include "cli/commands/inspect_rows.h"

#include <fmt/core.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/trainer_config.h"
#include "core/error.h"
#include "core/text_format.h"
#include "data/tokenizer/tokenizer.h"
#include "train/run_setup.h"
#include "train/training_loss.h"

namespace unfold::cli {
namespace {

struct RowsArguments {
  ConfigArguments config;
  std::int64_t steps = 1;
};

// Numbers and lists of them alone, so that no JSON library has to hold a million of them.
std::string row_line(const data::Batch& batch, std::int64_t step, std::int64_t row) {
  const gsa::Layout& layout = batch.layout;
  const auto part = [&](const auto& all) {
    const auto length = static_cast<std::size_t>(layout.length);
    return core::join(std::span(all).subspan(static_cast<std::size_t>(row) * length, length), ",");
  };
  // 0 a document without links, 1 system prompt, 2 document, 3 link, 4 suffix.
  std::string parts;
  if (!layout.part.empty()) {
    std::vector<int> numbers;
    for (const gsa::Part one : layout.part) numbers.push_back(static_cast<int>(one));
    parts = fmt::format(",\"parts\":[{}]", part(numbers));
  }
  return fmt::format(
      "{{\"step\":{},\"row\":{},\"tokens\":[{}],\"targets\":[{}],\"positions\":[{}],"
      "\"levels\":[{}],\"documents\":[{}]{}}}\n",
      step, row, part(batch.tokens), part(batch.targets), part(layout.rope), part(layout.level),
      part(layout.document), parts);
}

void inspect_rows(const RowsArguments& arguments) {
  core::require(arguments.steps >= 1, "inspect", "--steps {}: choose 1 or more", arguments.steps);
  const Config config = arguments.config.load();
  const train::TrainerConfig trainer = trainer_config(config);
  const auto tokenizer = data::load_tokenizer(config.data.tokenizer);
  const train::TrainingLoss loss(config.train, config.gist, config.selection);
  data::LoaderState start;
  start.seed = config.run.seed;
  const auto rows = train::open_training_rows(
      trainer, *tokenizer,
      data::make_row_format(*tokenizer, loss.row_gists(), config.train.row_length,
                            train::describe_model(trainer, *tokenizer).decoder.vocab_size),
      start);
  data::Batch batch;
  for (std::int64_t step = 0; step < arguments.steps; ++step) {
    if (step == 0 || !config.train.overfit_one_batch) {
      batch = rows->next(config.train.rows);
      loss.prepare(batch);
    }
    for (std::int64_t row = 0; row < batch.layout.rows; ++row) {
      print(row_line(batch, step + 1, row));
    }
  }
}

}  // namespace

void add_inspect_rows(Command inspect) {
  Command command = inspect.add_subcommand(
      "rows", "Print the rows that a training reads, in its order, as JSON lines");
  const auto arguments = std::make_shared<RowsArguments>();
  arguments->config.add_to(command);
  command.add_option("--steps", arguments->steps, "optimizer steps to print the rows of")
      .type_name("N")
      .capture_default_str();
  command.footer(
      "A line is a row: step (from 1), row within the step, and a list of row_length numbers each "
      "of\n"
      "  tokens     ids; gists of level l have id vocab_size + l, padding 0\n"
      "  targets    the id to predict there, -1 for none\n"
      "  positions  RoPE positions\n"
      "  levels     gist level, -1 for a raw token\n"
      "  documents  document of the row, -1 for padding: documents never see each other\n"
      "and of rows with links (gist.links), whose records are prompts with links:\n"
      "  parts      1 system prompt, 2 retrieved document, 3 link, 4 question and answer, 0 "
      "padding\n"
      "Example:\n  unfold inspect rows configs/books-cpu.yaml --steps 2 > rows.jsonl");
  command.callback([arguments] { inspect_rows(*arguments); });
}

}  // namespace unfold::cli
