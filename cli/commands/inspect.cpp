// unfold inspect visibility | insertion: the two rules of the method, by hand on small examples;
// selection and rows are in inspect_selection.cpp and inspect_rows.cpp.
#include "gsa/inspect.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/commands/inspect_logits.h"
#include "cli/commands/inspect_rows.h"
#include "cli/commands/inspect_selection.h"
#include "core/error.h"
#include "data/text.h"
#include "data/tokenizer/tokenizer.h"
#include "gsa/insertion.h"

namespace unfold::cli {
namespace {

struct VisibilityArguments {
  std::string pattern;
  std::int64_t previous = gsa::GistConfig{}.previous_chunks;
  std::int64_t sinks = gsa::GistConfig{}.sinks;
  std::optional<int> levels;
  std::string format = "text";
};

void add_visibility(Command inspect) {
  Command command =
      inspect.add_subcommand("visibility", "Print which keys each token of a pattern sees");
  const auto arguments = std::make_shared<VisibilityArguments>();
  command
      .add_option("--pattern", arguments->pattern,
                  "tokens separated by blanks: g.., G.., H.. are gists of level 0, 1, 2, any "
                  "other word is a raw token")
      .required()
      .type_name("WORDS");
  command.add_option("--previous", arguments->previous, "previous chunks seen raw")
      .type_name("P")
      .capture_default_str();
  command.add_option("--sinks", arguments->sinks, "first raw tokens that stay visible")
      .type_name("S")
      .capture_default_str();
  command.add_option("--levels", arguments->levels, "gist levels; default: those of the pattern")
      .type_name("L");
  command.add_choice("--format", arguments->format, {"text", "csv"}, "how to write the matrix");
  command.footer(
      "Example:\n  unfold inspect visibility --pattern \"s a b c g1 d e f g2 x\" --previous 1 "
      "--sinks 1");
  command.callback([arguments] {
    const auto format =
        arguments->format == "csv" ? gsa::InspectFormat::csv : gsa::InspectFormat::text;
    print(gsa::inspect_visibility(arguments->pattern, arguments->previous, arguments->sinks,
                                  arguments->levels, format));
  });
}

struct InsertionArguments {
  std::optional<std::string> tokens;
  std::optional<std::string> text;
  std::string tokenizer = "byte";
  std::string rule = "word";
  gsa::GistConfig gist;
};

std::string gist_mark(int level) {
  return level == 0 ? "<g>"
                    : fmt::format("<{}>", std::string(static_cast<std::size_t>(level), 'G'));
}

// One document as one segment. Word starts come from the vocabulary, as when shards are read, so
// that special tokens in the text are treated alike.
std::string insertion_of(const std::string& text, const data::Tokenizer& tokenizer,
                         const std::vector<std::uint8_t>& starts_word,
                         const gsa::GistConfig& config) {
  const std::vector<data::TokenId> ids = tokenizer.encode(text);
  std::vector<std::uint8_t> starts(ids.size());
  std::transform(ids.begin(), ids.end(), starts.begin(),
                 [&](data::TokenId id) { return starts_word[static_cast<std::size_t>(id)]; });
  std::string out;
  for (const gsa::Element& element :
       gsa::insert_gists(static_cast<std::int64_t>(ids.size()), starts, config)) {
    if (!out.empty()) out += '|';
    if (element.level >= 0) {
      out += gist_mark(element.level);
    } else {
      // A token may hold a part of a character, which no terminal can show.
      const data::TokenId id = ids[static_cast<std::size_t>(element.raw)];
      out += data::replace_invalid_utf8(tokenizer.token_bytes(id));
    }
  }
  return out;
}

void inspect_text(const std::string& file, const std::string& tokenizer_name,
                  const gsa::GistConfig& config) {
  const auto tokenizer = data::load_tokenizer(tokenizer_name);
  const std::vector<std::uint8_t> starts_word = data::starts_word_table(*tokenizer);
  data::DocumentReader reader({file});
  std::string text;
  for (data::Document piece; reader.next(piece);) {
    text += piece.text;
    if (piece.continues) continue;
    print(insertion_of(text, *tokenizer, starts_word, config) + "\n");
    text.clear();
  }
}

void add_insertion(Command inspect) {
  Command command =
      inspect.add_subcommand("insertion", "Print tokens with gists in place: <g>, <G>, <GG>");
  const auto arguments = std::make_shared<InsertionArguments>();
  Option tokens =
      command.add_option("--tokens", arguments->tokens, "the tokens themselves, separated by |");
  tokens.type_name("TOKENS");
  Option text = command.add_option("--text", arguments->text,
                                   "text, Markdown or JSONL file; each document is one segment");
  text.type_name("FILE").excludes(tokens);
  command
      .add_option("--tokenizer", arguments->tokenizer,
                  "for --text: byte, a tokenizer.json, or a folder that holds one")
      .type_name("T")
      .needs(text)
      .capture_default_str();
  command
      .add_option("--chunks", arguments->gist.chunks,
                  "raw tokens a chunk, then gists a higher gist, one entry a level")
      .delimiter(',')
      .one_value()
      .type_name("C[,M...]")
      .default_str(fmt::format("{}", arguments->gist.chunks.front()));
  command.add_option("--sinks", arguments->gist.sinks, "first tokens that open no chunk")
      .type_name("S")
      .capture_default_str();
  command.add_choice("--rule", arguments->rule, {"word", "count"},
                     "word: shift a gist to a word start; count: never");
  command.footer(
      "Example:\n  unfold inspect insertion --tokens \"The| cat|s| un|believ|ably| ran\" --chunks "
      "4 "
      "--sinks 0");
  command.callback([arguments] {
    gsa::GistConfig config = arguments->gist;
    config.rule = arguments->rule == "word" ? gsa::InsertionRule::word : gsa::InsertionRule::count;
    if (arguments->tokens) {
      print(gsa::inspect_insertion(gsa::split_tokens(*arguments->tokens), config) + "\n");
    } else {
      core::require(arguments->text.has_value(), "usage",
                    "unfold inspect insertion: give --tokens TOKENS or --text FILE (see unfold "
                    "inspect insertion --help)");
      inspect_text(*arguments->text, arguments->tokenizer, config);
    }
  });
}

}  // namespace

void add_inspect_command(Command app) {
  Command inspect = app.add_subcommand(
      "inspect",
      "Show where gists are put, which keys a token sees, what is unfolded, what is read");
  inspect.group(kLookGroup);
  inspect.require_subcommand();
  add_visibility(inspect);
  add_insertion(inspect);
  add_inspect_selection(inspect);
  add_inspect_rows(inspect);
  add_inspect_logits(inspect);
}

}  // namespace unfold::cli
