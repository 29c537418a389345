// unfold generate RUN: continues a text, with or without a context to compress in front of it.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/text_input.h"
#include "core/error.h"
#include "core/log.h"
#include "data/chat_template.h"
#include "eval/loaded_run.h"
#include "eval/method.h"
#include "eval/prompt.h"
#include "eval/token_text.h"
#include "eval/utf8_stream.h"
#include "gsa/policies/policy.h"
#include "models/generate.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostTokens = std::int64_t{1} << 20;  // the cache is made for all of them

struct GenerateArguments {
  std::string run;
  std::string prompt;
  std::string context_file;
  std::string method;
  std::string checkpoint = "last";
  bool chat = false;
  std::string system;
  double ratio = 0;
  bool streaming = false;
  std::vector<std::string> stop;
  std::int64_t max_tokens = models::GenerateOptions{}.max_tokens;
  std::int64_t seed = 42;  // signed: CLI11 would turn -1 into a large unsigned number
  models::SamplingOptions sampling;
};

void check_numbers(const GenerateArguments& arguments) {
  const models::SamplingOptions& sampling = arguments.sampling;
  core::require(arguments.max_tokens >= 1 && arguments.max_tokens <= kMostTokens, "generate",
                "--max-tokens {}: choose 1 to {}", arguments.max_tokens, kMostTokens);
  core::require(std::isfinite(sampling.temperature) && sampling.temperature >= 0, "generate",
                "--temperature {}: choose 0 (greedy) or more", sampling.temperature);
  core::require(sampling.top_k >= 0, "generate", "--top-k {}: choose 0 (all) or more",
                sampling.top_k);
  core::require(sampling.top_p > 0 && sampling.top_p <= 1, "generate",
                "--top-p {}: choose a share above 0 and up to 1", sampling.top_p);
  core::require(arguments.ratio == 0 || (std::isfinite(arguments.ratio) && arguments.ratio >= 1),
                "generate", "--ratio {}: choose 1 or more, or 0 for the ratio of the gists",
                arguments.ratio);
  for (const std::string& stop : arguments.stop) {
    core::require(!stop.empty(), "generate", "--stop '': give some text, or leave it out");
  }
  core::require(arguments.seed >= 0, "generate", "--seed {}: choose 0 or more", arguments.seed);
}

// What the model was trained for, unless told.
eval::Method choose_method(const GenerateArguments& arguments, const Config& config,
                           const eval::LoadedRun& run) {
  const bool trained_with_gists =
      config.train.objective != train::Objective::lm && run.decoder.gist_levels() > 0;
  const bool unfolds = config.train.objective == train::Objective::sft;
  // With levels training descends, too.
  const char* unfolding = run.decoder.gist_levels() > 1 ? "h_gsa" : "gsa";
  const eval::Method method = eval::method_from_name(!arguments.method.empty() ? arguments.method
                                                     : !trained_with_gists     ? "full"
                                                     : unfolds                 ? unfolding
                                                                               : "gist_only",
                                                     arguments.ratio, config.selection);
  core::require(!method.gists || run.decoder.gist_levels() > 0, "generate",
                "{}: its model has no gist tokens (gist.chunks is []): use --method full",
                run.folder.string());
  core::require(!arguments.streaming || method.gists, "generate",
                "--streaming chunks text with gists, and method {} reads none: choose gsa",
                method.name);
  return method;
}

// The pieces of a prompt: what stands before the context, the context, and what is asked.
struct PromptTokens {
  std::vector<data::TokenId> before;
  std::vector<data::TokenId> context;
  std::vector<data::TokenId> suffix;
  std::vector<data::TokenId> ends;  // tokens that end the answer
};

// The text of a chat: the turns of system and user, and the beginning of the assistant's. A context
// stands at the beginning of the user's turn.
PromptTokens chat_tokens(const GenerateArguments& arguments, const std::string& context,
                         const eval::LoadedRun& run) {
  const data::Tokenizer& tokenizer = *run.tokenizer;
  const std::optional<data::ChatTemplate> chat = data::load_chat_template(run.folder, tokenizer);
  core::require(chat.has_value(), "generate",
                "{}: no chat template: put the model's into chat_template.txt there, or leave "
                "--chat out",
                run.folder.string());
  std::vector<data::ChatMessage> messages;
  if (!arguments.system.empty()) messages.push_back({"system", arguments.system});
  messages.push_back({"user", context + arguments.prompt});
  const std::string text = chat->render(messages, true);
  PromptTokens tokens;
  const std::vector<data::TokenId> end = tokenizer.encode(chat->end_of_turn());
  if (end.size() == 1) tokens.ends = end;
  // Templates may trim what the user says; a context found whole is the user's, the last there is.
  const std::size_t at = context.empty() ? std::string::npos : text.rfind(context);
  if (at == std::string::npos) {
    core::require(context.empty(), "generate",
                  "the chat template changes the context at its ends: give a text without white "
                  "space there");
    tokens.suffix = tokenizer.encode(text);
    return tokens;
  }
  tokens.before = tokenizer.encode(text.substr(0, at));
  tokens.context = tokenizer.encode(context);
  tokens.suffix = tokenizer.encode(text.substr(at + context.size()));
  return tokens;
}

models::EngineOptions engine_options(const GenerateArguments& arguments,
                                     const eval::LoadedRun& run) {
  models::EngineOptions options;
  options.streaming = arguments.streaming;
  if (arguments.streaming && run.description.gist.rule == gsa::InsertionRule::word) {
    options.starts_word = data::starts_word_table(*run.tokenizer);
    options.starts_word.resize(static_cast<std::size_t>(run.decoder.config().vocab_size), 1);
  }
  return options;
}

// Writes text while it comes, and keeps the time. What could be the beginning of a stop string
// waits.
class Writer {
 public:
  explicit Writer(const std::vector<std::string>& stop) : waits_(!stop.empty()) {
    for (const std::string& one : stop) held_back_ = std::max(held_back_, one.size() - 1);
  }

  void write(const std::string& text) {
    if (!first_) first_ = Clock::now();
    if (held_.size() > held_back_) flush(held_.size() - held_back_);
    held_ += text;
    if (!waits_) flush(held_.size());  // else until it is known that no stop string ends here
  }
  // stop_bytes: bytes at the end that belong to a stop string or follow it; they are not written.
  void finish(std::size_t stop_bytes) {
    flush(held_.size() - std::min(held_.size(), stop_bytes));
    print(stream_.finish() + "\n");
  }

  double seconds_to_first() const { return seconds(began_, first_.value_or(Clock::now())); }
  double seconds_since_first() const { return first_ ? seconds(*first_, Clock::now()) : 0; }

 private:
  using Clock = std::chrono::steady_clock;
  static double seconds(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
  }
  void flush(std::size_t bytes) {
    print(stream_.push(held_.substr(0, bytes)));
    held_.erase(0, bytes);
  }

  bool waits_;
  std::size_t held_back_ = 0;  // bytes that a stop string may begin in, before the newest token
  std::string held_;
  eval::Utf8Stream stream_;
  Clock::time_point began_ = Clock::now();
  std::optional<Clock::time_point> first_;
};

void run_generate(const GenerateArguments& arguments) {
  check_numbers(arguments);
  core::require(!arguments.prompt.empty() || !arguments.context_file.empty(), "generate",
                "nothing to continue: give --prompt TEXT, --context FILE, or both");
  check_utf8("generate", arguments.prompt, "--prompt");
  check_utf8("generate", arguments.system, "--system");
  core::require(arguments.chat || arguments.system.empty(), "generate",
                "--system is the first message of a chat: give --chat too");
  std::string context;
  if (!arguments.context_file.empty()) {
    context = read_utf8_file("generate", arguments.context_file, "leave --context out");
  }
  eval::require_run(arguments.run);
  const Config config = load_config(fs::path(arguments.run) / "config.yaml");
  eval::LoadedRun run = eval::load_run(arguments.run, arguments.checkpoint, config.train.dtype,
                                       core::usable_device(config.run.device));
  const eval::Method method = choose_method(arguments, config, run);
  const gsa::GistConfig& gist = run.description.gist;
  PromptTokens tokens;
  if (arguments.chat) {
    tokens = chat_tokens(arguments, context, run);
  } else {
    tokens.context = run.tokenizer->encode(context);
    tokens.suffix = run.tokenizer->encode(arguments.prompt);
  }
  const std::span<const data::TokenId> segment = tokens.context;
  const models::Prompt prompt = eval::PromptBuilder(run, gist).build(method, std::span(&segment, 1),
                                                                     tokens.suffix, tokens.before);

  models::GenerateOptions options;
  options.max_tokens = arguments.max_tokens;
  options.eos = run.tokenizer->eos();
  options.more_eos = tokens.ends;
  options.sampling = arguments.sampling;
  options.sampling.seed = static_cast<std::uint64_t>(arguments.seed);
  options.stop = arguments.stop;
  options.text_of = [&](data::TokenId token) { return eval::token_text(*run.tokenizer, token); };
  Writer writer(arguments.stop);
  models::Engine engine(run.decoder, gist, method.policy, engine_options(arguments, run));
  const models::Generated generated = models::generate(engine, std::span(&prompt, 1), options,
                                                       [&](std::int64_t, data::TokenId token) {
                                                         writer.write(options.text_of(token));
                                                       })
                                          .front();
  writer.finish(generated.stop_bytes);
  const auto more = static_cast<double>(generated.tokens.size()) - 1;
  const std::string speed =
      more > 0 ? fmt::format(" ({:.1f} tokens/s)", more / writer.seconds_since_first()) : "";
  const gsa::ReadCount& reads =
      engine.decode_reads().units > 0 ? engine.decode_reads() : engine.prefill_reads();
  core::log::info(
      "method {}: prompt of {} positions in {:.2f} s, then {} tokens{}; attended {:.1f} keys a "
      "query",
      method.name, prompt.tokens.size(), writer.seconds_to_first(), generated.tokens.size(), speed,
      reads.keys_per_query());
}

}  // namespace

void add_generate_command(Command app) {
  Command command =
      app.add_subcommand("generate", "Continue a text with the model of a trained run");
  command.group(kRunGroup);
  const auto arguments = std::make_shared<GenerateArguments>();
  command.add_option("RUN", arguments->run, "folder of the run (run.dir of its config)").required();
  command.add_option("--prompt", arguments->prompt, "text to continue; never holds gists")
      .type_name("TEXT");
  command
      .add_option("--context", arguments->context_file,
                  "text file put in front of the prompt; methods with gists compress it")
      .type_name("FILE");
  command
      .add_option(
          "--method", arguments->method,
          "attention: full, gist_only, gsa, h_gsa, mean_pool, random, streaming, snapkv, h2o "
          "or quest; default: gsa (h_gsa with levels) for a run that learned to unfold, gist_only "
          "for another one trained with gists, else full")
      .type_name("NAME")
      .is_one_of(eval::method_names(), HelpLists::no);
  command
      .add_option("--checkpoint", arguments->checkpoint,
                  "last, best (lowest validation loss), or a step")
      .type_name("last|best|STEP")
      .capture_default_str();
  command
      .add_option("--ratio", arguments->ratio,
                  "methods that choose read 1 / ratio of the context; 0: the ratio of the gists")
      .capture_default_str();
  command.add_flag("--chat", arguments->chat,
                   "the prompt is a user's message: put it into the run's chat template and stop "
                   "at the end of the answer");
  command
      .add_option("--system", arguments->system,
                  "system message of the chat, instead of the template's own")
      .type_name("TEXT");
  command.add_flag("--streaming", arguments->streaming,
                   "put gists into generated text too, so that it stays cheap to attend to");
  command.add_option("--stop", arguments->stop, "end before this text; may be repeated")
      .type_name("TEXT")
      .one_value();
  command.add_option("--max-tokens", arguments->max_tokens, "most tokens to generate")
      .capture_default_str();
  command
      .add_option("--temperature", arguments->sampling.temperature,
                  "0: always the likeliest token (greedy); higher: more random")
      .capture_default_str();
  command.add_option("--top-k", arguments->sampling.top_k, "draw from the k likeliest; 0: all")
      .capture_default_str();
  command
      .add_option("--top-p", arguments->sampling.top_p,
                  "draw from the likeliest tokens that have this share together")
      .capture_default_str();
  command.add_option("--seed", arguments->seed, "another seed, another text").capture_default_str();
  command.footer(
      "Example:\n  unfold generate runs/demo --context notes.txt --prompt \"Recall Marlo\" "
      "--max-tokens 20");
  command.callback([arguments] { run_generate(*arguments); });
}

}  // namespace unfold::cli
