// unfold data train-tokenizer | tokenize | synthesize: from text to token shards.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/text_format.h"
#include "data/corpus.h"
#include "data/synthetic.h"
#include "data/tokenizer/train_tokenizer.h"
#include "train/stop_signal.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;

struct TextInputs {
  std::vector<std::string> inputs;
  std::string invalid_utf8 = "error";
  std::string field = "text";

  void add_to(Command command) {
    command
        .add_option("INPUT", inputs,
                    "text: .txt, .md or .jsonl files, or folders of them (searched recursively)")
        .required();
    command
        .add_option(
            "--invalid-utf8", invalid_utf8,
            "text that is not UTF-8: stop with an error, or replace what is wrong by U+FFFD")
        .is_one_of({"error", "replace"})
        .capture_default_str();
    command.add_option("--field", field, "JSONL: the member that holds the text")
        .capture_default_str();
  }
  std::vector<fs::path> paths() const { return {inputs.begin(), inputs.end()}; }
  data::InvalidUtf8 policy() const {
    return invalid_utf8 == "replace" ? data::InvalidUtf8::replace : data::InvalidUtf8::error;
  }
};

// A folder that is not there yet: a command that fails and leaves it empty takes it away again.
class NewFolder {
 public:
  explicit NewFolder(fs::path folder) : folder_(std::move(folder)), keep_(fs::exists(folder_)) {}
  ~NewFolder() {
    std::error_code ignored;
    if (!keep_) fs::remove(folder_, ignored);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  void keep() { keep_ = true; }

 private:
  fs::path folder_;
  bool keep_;
};

struct TrainTokenizerArguments {
  TextInputs text;
  std::string out;
  std::int64_t vocab_size = 8192;
  std::vector<std::string> special;
  bool overwrite = false;
};

void run_train_tokenizer(const TrainTokenizerArguments& arguments) {
  const fs::path out = arguments.out;
  core::require(arguments.overwrite || !fs::exists(out), "tokenizer",
                "{}: exists already: choose another --out, or pass --overwrite", out.string());
  const NewFolder folder(out.parent_path());
  if (out.has_parent_path()) core::create_folder(out.parent_path());
  core::require_writable(out);
  data::TrainTokenizerOptions options;
  options.bpe.vocab_size = arguments.vocab_size;
  options.bpe.special_tokens = arguments.special;
  options.invalid_utf8 = arguments.text.policy();
  options.json_field = arguments.text.field;
  std::unique_ptr<core::Progress> progress;
  auto phase = data::TrainTokenizerProgress::Phase::merging;
  const data::TrainedTokenizer trained = data::train_tokenizer(
      arguments.text.paths(), options, [&](const data::TrainTokenizerProgress& now) {
        if (!progress || now.phase != phase) {
          const bool counting = now.phase == data::TrainTokenizerProgress::Phase::counting;
          phase = now.phase;
          core::ProgressOptions line;
          line.label = counting ? "reading" : "merging";
          line.total = now.total;
          line.every = std::max<std::int64_t>(1, now.total / 4);
          line.unit = counting ? core::ProgressUnit::bytes : core::ProgressUnit::exact;
          progress = std::make_unique<core::Progress>(line);
        }
        progress->update(now.done);
      });
  progress.reset();
  trained.tokenizer->save(out);
  if (trained.tokenizer->vocab_size() < arguments.vocab_size) {
    core::log::warning("the text supports only {} entries of the {} asked for",
                       trained.tokenizer->vocab_size(), arguments.vocab_size);
  }
  print(fmt::format("{}: {} entries from {} of text in {} documents\n", out.string(),
                    trained.tokenizer->vocab_size(),
                    core::format_bytes(static_cast<double>(trained.bytes)), trained.documents));
}

// Ends work that writes its files at the end when a signal asks for it.
void stop_if_asked(const train::StopSignal& stop) {
  if (stop.received() != 0) throw core::Interrupted(stop.received(), "; nothing was written");
}

struct TokenizeArguments {
  TextInputs text;
  std::string out;
  std::string tokenizer = "byte";
  std::int64_t shard_tokens = data::CorpusOptions{}.shard_tokens;
  bool overwrite = false;
};

void run_tokenize(const TokenizeArguments& arguments) {
  const auto tokenizer = data::load_tokenizer(arguments.tokenizer);
  data::CorpusOptions options;
  options.shard_tokens = arguments.shard_tokens;
  options.overwrite = arguments.overwrite;
  options.reader.invalid_utf8 = arguments.text.policy();
  options.reader.json_field = arguments.text.field;
  std::unique_ptr<core::Progress> progress;
  NewFolder folder(arguments.out);
  const train::StopSignal stop;
  const data::CorpusStats stats = data::tokenize_corpus(
      arguments.text.paths(), *tokenizer, arguments.out, options,
      [&](const data::CorpusProgress& now) {
        stop_if_asked(stop);
        if (!progress) {
          core::ProgressOptions line;
          line.label = "tokenizing";
          line.total = now.bytes_total;
          line.every = std::max<std::int64_t>(1, now.bytes_total / 4);
          line.unit = core::ProgressUnit::bytes;
          progress = std::make_unique<core::Progress>(line);
        }
        const std::vector<core::ProgressField> fields = {
            {"", core::format_count(static_cast<double>(now.tokens)) + " tokens"}};
        progress->update(now.bytes_done, fields);
      });
  progress.reset();
  folder.keep();
  print(fmt::format("{}: {} tokens from {} of text in {} documents, {} shards\n", arguments.out,
                    core::format_count(static_cast<double>(stats.tokens)),
                    core::format_bytes(static_cast<double>(stats.bytes)), stats.documents,
                    stats.shards.size()));
}

struct SynthesizeArguments {
  std::string task = "recall";
  std::string out;
  std::string format = "text";
  std::string style = "prose";
  std::string unit = "bytes";
  data::SyntheticOptions options = {.seed = 42};
  data::SyntheticCorpusOptions corpus = {.count = 1000};
  bool eval_split = false;
};

void run_synthesize(const SynthesizeArguments& arguments) {
  data::SyntheticOptions options = arguments.options;
  options.task = data::synthetic_task_from_name(arguments.task);
  options.split = arguments.eval_split ? data::SyntheticSplit::eval : data::SyntheticSplit::train;
  if (arguments.style == "compact") options.style = data::SyntheticStyle::compact;
  if (arguments.unit == "words") options.measure = data::count_words;
  data::SyntheticCorpusOptions corpus = arguments.corpus;
  if (arguments.format == "sft") corpus.format = data::SyntheticFormat::sft;
  const fs::path out = arguments.out;
  if (out.has_parent_path()) core::create_folder(out.parent_path());
  const train::StopSignal stop;
  core::ProgressOptions line;
  line.label = "writing";
  line.total = corpus.count;
  line.every = std::max<std::int64_t>(1, corpus.count / 4);
  std::optional<core::Progress> progress;
  const auto begin = std::chrono::steady_clock::now();
  data::write_synthetic_corpus(out, options, corpus, [&](std::int64_t done) {
    stop_if_asked(stop);
    // Most are done before anybody could read a line.
    if (!progress && std::chrono::steady_clock::now() - begin > std::chrono::seconds(2)) {
      progress.emplace(line);
    }
    if (progress) progress->update(done);
  });
  progress.reset();
  print(fmt::format("{}: {} documents of task {}\n", out.string(), corpus.count, arguments.task));
}

void add_train_tokenizer(Command data) {
  Command command =
      data.add_subcommand("train-tokenizer", "Train a byte-level BPE tokenizer on text");
  const auto arguments = std::make_shared<TrainTokenizerArguments>();
  arguments->text.add_to(command);
  command.add_option("--out", arguments->out, "tokenizer.json to write").required();
  command.add_option("--vocab-size", arguments->vocab_size, "entries, bytes and specials included")
      .capture_default_str();
  command.add_option("--special", arguments->special, "a special token; may be repeated")
      .one_value();
  command.add_flag("--overwrite", arguments->overwrite, "replace an existing file");
  command.callback([arguments] { run_train_tokenizer(*arguments); });
}

void add_tokenize(Command data) {
  Command command = data.add_subcommand("tokenize", "Turn text into token shards (HDF5)");
  const auto arguments = std::make_shared<TokenizeArguments>();
  arguments->text.add_to(command);
  command.add_option("--out", arguments->out, "folder for the shards").required();
  command.add_option("--tokenizer", arguments->tokenizer, "byte, or a tokenizer.json")
      .capture_default_str();
  command.add_option("--shard-tokens", arguments->shard_tokens, "tokens a shard")
      .is_positive()
      .capture_default_str();
  command.add_flag("--overwrite", arguments->overwrite, "replace the shards of the folder");
  command.callback([arguments] { run_tokenize(*arguments); });
}

void add_synthesize(Command data) {
  Command command =
      data.add_subcommand("synthesize", "Write a corpus of generated recall tasks (JSONL)");
  const auto arguments = std::make_shared<SynthesizeArguments>();
  data::SyntheticOptions& options = arguments->options;
  data::SyntheticCorpusOptions& corpus = arguments->corpus;
  command.add_option("--task", arguments->task, "recall, passkey or multikey")
      .capture_default_str();
  command.add_option("--out", arguments->out, "JSONL file to write").required();
  command.add_choice(
      "--format", arguments->format, {"text", "sft"},
      "text: a document a line; sft: a record a line, context and questions, for data.format "
      "sft");
  command.add_option("--count", corpus.count, "documents").is_positive().capture_default_str();
  command.add_option("--context", options.context, "size of the context of a document")
      .is_positive()
      .capture_default_str();
  command.add_choice("--context-unit", arguments->unit, {"bytes", "words"},
                     "what --context counts");
  command.add_option("--facts", options.facts, "most different facts a document; 0: what fits")
      .capture_default_str();
  command
      .add_option("--min-facts", options.min_facts,
                  "least different facts a document (recall); 0: always the most")
      .capture_default_str();
  command
      .add_option("--curriculum", corpus.curriculum,
                  "different facts grow from 2 to --facts over this fraction of the documents "
                  "(recall); train with data.shuffle: false; 0: no growth")
      .capture_default_str();
  command
      .add_option("--questions", options.questions,
                  "questions a document (recall); 0: every fact once")
      .capture_default_str();
  command.add_choice("--style", arguments->style, {"prose", "compact"},
                     "compact: words alone, one token each for a small BPE tokenizer (recall)");
  command.add_option("--value-words", options.value_words, "words an answer (recall)")
      .capture_default_str();
  command.add_option("--keys", options.keys, "different keys to draw from (recall); 0: all 128")
      .capture_default_str();
  command
      .add_option("--values", options.values,
                  "different words of answers to draw from (recall); 0: all 64")
      .capture_default_str();
  command.add_option("--seed", options.seed, "another seed, other documents").capture_default_str();
  command.add_flag("--eval-split", arguments->eval_split,
                   "draw from the stream that `unfold eval` draws from, not the training one");
  command.add_flag("--overwrite", corpus.overwrite, "replace an existing file");
  command.callback([arguments] { run_synthesize(*arguments); });
}

}  // namespace

void add_data_command(Command app) {
  Command data = app.add_subcommand("data", "Train a tokenizer, tokenize text, generate tasks");
  data.group(kDataGroup);
  data.require_subcommand();
  add_train_tokenizer(data);
  add_tokenize(data);
  add_synthesize(data);
}

}  // namespace unfold::cli
