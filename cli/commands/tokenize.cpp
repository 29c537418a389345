// unfold tokenize and detokenize: text to ids and back, for people and for comparing tokenizers.
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "core/error.h"
#include "data/text.h"
#include "data/tokenizer/id_text.h"
#include "data/tokenizer/tokenizer.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;

struct TokenizeArguments {
  std::string tokenizer;
  std::string special = "parse";
  bool add_special = false;
  bool skip_special = false;
};

// A run without a tokenizer.json works on bytes.
std::shared_ptr<const data::Tokenizer> open_tokenizer(const std::string& name) {
  std::error_code ignored;
  const bool byte_run = fs::is_regular_file(fs::path(name) / "config.yaml", ignored) &&
                        !fs::exists(fs::path(name) / "tokenizer.json", ignored);
  return data::load_tokenizer(byte_run ? "byte" : name);
}

std::string read_standard_input(std::string_view tag) {
  std::string text;
  std::array<char, 1 << 16> block;
  while (const std::size_t size = std::fread(block.data(), 1, block.size(), stdin)) {
    text.append(block.data(), size);
  }
  core::require(std::ferror(stdin) == 0, tag, "standard input: cannot be read");
  return text;
}

void run_tokenize(const TokenizeArguments& arguments) {
  const auto tokenizer = open_tokenizer(arguments.tokenizer);
  const std::string text = data::replace_invalid_utf8(read_standard_input("tokenize"));
  std::vector<data::TokenId> ids =
      arguments.special == "plain" ? tokenizer->encode_plain(text) : tokenizer->encode(text);
  if (arguments.add_special) {
    const data::SpecialFrame frame = tokenizer->frame();
    ids.insert(ids.begin(), frame.before.begin(), frame.before.end());
    ids.insert(ids.end(), frame.behind.begin(), frame.behind.end());
  }
  print(data::write_ids(ids) + "\n");
}

void run_detokenize(const TokenizeArguments& arguments) {
  const auto tokenizer = open_tokenizer(arguments.tokenizer);
  const std::vector<data::TokenId> ids =
      data::parse_ids(read_standard_input("detokenize"), tokenizer->vocab_size(), "standard input");
  print(tokenizer->decode(ids, !arguments.skip_special));
}

Command add_with_tokenizer(Command app, const std::string& name, const std::string& help,
                           TokenizeArguments& arguments) {
  Command command = app.add_subcommand(name, help);
  command.group(kLookGroup);
  command
      .add_option("--tokenizer", arguments.tokenizer,
                  "run folder, tokenizer.json or a folder with one, a GGUF file, or byte")
      .type_name("RUN|FILE")
      .required();
  return command;
}

}  // namespace

void add_tokenize_command(Command app) {
  const auto arguments = std::make_shared<TokenizeArguments>();
  Command command =
      add_with_tokenizer(app, "tokenize", "Turn text on standard input into token ids", *arguments);
  command
      .add_choice("--special", arguments->special, {"parse", "plain"},
                  "text that spells a special token, such as <|im_end|>: that token, or text")
      .capture_default_str();
  command.add_flag("--add-special", arguments->add_special,
                   "put the special tokens around the text that the tokenizer's file asks for");
  command.footer(
      "Writes the ids on one line, separated by spaces. Bytes that are not UTF-8 become U+FFFD, "
      "one "
      "for each\nill-formed sequence, as Python's decode(errors=\"replace\") does.\n\n"
      "Example:\n  unfold tokenize --tokenizer runs/demo < notes.txt");
  command.callback([arguments] { run_tokenize(*arguments); });
}

void add_detokenize_command(Command app) {
  const auto arguments = std::make_shared<TokenizeArguments>();
  Command command = add_with_tokenizer(
      app, "detokenize", "Turn token ids on standard input back into text", *arguments);
  command.add_flag("--skip-special", arguments->skip_special, "leave special tokens out");
  command.footer(
      "Writes the exact bytes of the ids, and no line end of its own.\n\n"
      "Example:\n  unfold tokenize --tokenizer runs/demo < notes.txt | unfold detokenize "
      "--tokenizer runs/demo");
  command.callback([arguments] { run_detokenize(*arguments); });
}

}  // namespace unfold::cli
