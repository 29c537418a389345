// unfold inspect selection RUN: which chunks of a text the model unfolds while it answers.
#include "cli/commands/inspect_selection.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/text_input.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "eval/loaded_run.h"
#include "eval/method.h"
#include "eval/report/unfold_page.h"
#include "eval/report/unfold_text.h"
#include "eval/unfold_trace.h"

namespace unfold::cli {
namespace {

constexpr std::int64_t kMostTokens = std::int64_t{1} << 16;  // all are kept and shown

struct SelectionArguments {
  std::string run;
  std::string text_file;
  std::string question;
  std::string method = "gsa";
  std::string checkpoint = "last";
  std::string format = "text";
  std::string out;
  bool overwrite = false;
  std::optional<std::int64_t> layer;
  eval::UnfoldOptions unfold;
};

// What the run's config says about selecting holds here too.
eval::Method method_of(const SelectionArguments& arguments, const Config& config) {
  return eval::method_from_name(arguments.method, 0, config.selection);
}

void inspect_selection(const SelectionArguments& arguments) {
  eval::UnfoldOptions options = arguments.unfold;
  core::require(options.max_tokens >= 1 && options.max_tokens <= kMostTokens, "inspect",
                "--max-tokens {}: choose 1 to {}", options.max_tokens, kMostTokens);
  if (arguments.layer) {
    core::require(*arguments.layer >= 0, "inspect", "--layer {}: choose 0 or more",
                  *arguments.layer);
    options.layer = *arguments.layer;
  }
  core::require(!arguments.question.empty(), "inspect",
                "--question '': ask something; it is what the chunks are picked by");
  check_utf8("inspect", arguments.question, "--question");
  const std::string text =
      read_utf8_file("inspect", arguments.text_file, "name a file with text to compress");
  core::require(
      arguments.out.empty() || arguments.overwrite || !std::filesystem::exists(arguments.out),
      "inspect", "{}: exists already: choose another --out, or pass --overwrite", arguments.out);
  eval::require_run(arguments.run);
  const Config config = load_config(std::filesystem::path(arguments.run) / "config.yaml");
  eval::LoadedRun run = eval::load_run(arguments.run, arguments.checkpoint, config.train.dtype,
                                       core::usable_device(config.run.device));
  const eval::UnfoldTrace trace =
      eval::trace_unfolding(run, method_of(arguments, config), text, arguments.question, options);
  const std::string shown =
      arguments.format == "html" ? eval::unfold_page(trace) : eval::unfold_text(trace);
  if (arguments.out.empty()) {
    print(shown);
  } else {
    core::write_file_atomically(arguments.out, shown);
    core::log::info("{}", arguments.out);
  }
}

}  // namespace

void add_inspect_selection(Command inspect) {
  Command command = inspect.add_subcommand(
      "selection", "Show which chunks of a text a trained run unfolds for each generated token");
  const auto arguments = std::make_shared<SelectionArguments>();
  command.add_option("RUN", arguments->run, "folder of the run (run.dir of its config)").required();
  command.add_option("--text", arguments->text_file, "text file to compress")
      .required()
      .type_name("FILE");
  command
      .add_option("--question", arguments->question, "text behind it, raw, that is to be answered")
      .required()
      .type_name("TEXT");
  command.add_choice("--method", arguments->method, {"gsa", "h_gsa"},
                     "score all chunks, or descend the levels of gists");
  command.add_option("--layer", arguments->layer, "layer to look at, from 0; default: the last")
      .type_name("N");
  command.add_option("--kv-head", arguments->unfold.kv_head, "key/value head to look at, from 0")
      .type_name("H")
      .capture_default_str();
  command.add_option("--max-tokens", arguments->unfold.max_tokens, "most tokens to generate")
      .type_name("N")
      .capture_default_str();
  command
      .add_option("--checkpoint", arguments->checkpoint,
                  "last, best (lowest validation loss), or a step")
      .type_name("last|best|STEP")
      .capture_default_str();
  command.add_choice("--format", arguments->format, {"text", "html"},
                     "tables, or a page with a heat map over the text");
  command.add_option("--out", arguments->out, "file to write; default: standard output")
      .type_name("FILE");
  command.add_flag("--overwrite", arguments->overwrite, "replace an existing file");
  command.footer(
      "Which chunks are picked is a matter of the run's config: section selection.\n"
      "Example:\n  unfold inspect selection runs/demo --text notes.txt --question \"Recall Marlo\" "
      "--format html --out selection.html");
  command.callback([arguments] { inspect_selection(*arguments); });
}

}  // namespace unfold::cli
