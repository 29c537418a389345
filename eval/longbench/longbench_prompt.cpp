#include "eval/longbench/longbench_prompt.h"

#include <array>
#include <span>
#include <vector>

#include "core/error.h"
#include "data/text.h"

namespace unfold::eval {
namespace {

std::string text_of(const data::Tokenizer& tokenizer, std::span<const data::TokenId> tokens) {
  return data::replace_invalid_utf8(tokenizer.decode(tokens));
}

// A piece of text as it is, and as it comes back from the tokenizer, which may normalise it or
// leave out what spells a special token.
std::array<std::string, 2> spellings(const data::Tokenizer& tokenizer, std::string_view text) {
  return {std::string(text), text_of(tokenizer, tokenizer.encode(text))};
}

// Where the suffix begins in head + tail. `before` is the text in front of it in the whole prompt.
std::size_t suffix_begin(const data::Tokenizer& tokenizer, const std::string& head,
                         const std::string& tail, std::string_view before,
                         std::string_view suffix) {
  for (const std::string& known : spellings(tokenizer, suffix)) {
    if (tail.ends_with(known)) return head.size() + tail.size() - known.size();
  }
  // Some of it was cut out: all of the tail is suffix, and what the head may have of it.
  for (const std::string& known : spellings(tokenizer, before)) {
    if (head.starts_with(known)) return known.size();
  }
  return head.size();
}

}  // namespace

LongBenchPrompt truncated_prompt(const PromptTemplate& prompt_template, std::string_view context,
                                 std::string_view input, const data::Tokenizer& tokenizer,
                                 std::int64_t max_length) {
  PromptTemplate::Prompt whole = prompt_template.render(context, input);
  LongBenchPrompt prompt{std::move(whole.text), whole.suffix, false};
  if (max_length == 0) return prompt;
  std::vector<data::TokenId> tokens = tokenizer.encode(prompt.text);
  const data::SpecialFrame frame = tokenizer.frame();
  tokens.insert(tokens.begin(), frame.before.begin(), frame.before.end());
  tokens.insert(tokens.end(), frame.behind.begin(), frame.behind.end());
  if (static_cast<std::int64_t>(tokens.size()) <= max_length) return prompt;
  const auto half = static_cast<std::size_t>(max_length / 2);
  const std::span<const data::TokenId> all = tokens;
  const std::string head = text_of(tokenizer, all.first(half));
  const std::string tail = text_of(tokenizer, all.last(half));
  const std::string_view all_text = prompt.text;
  prompt.suffix = suffix_begin(tokenizer, head, tail, all_text.substr(0, prompt.suffix),
                               all_text.substr(prompt.suffix));
  prompt.text = head + tail;
  prompt.truncated = true;
  return prompt;
}

LongBenchPrompt as_chat(const LongBenchPrompt& prompt, const data::ChatTemplate& chat) {
  const std::array<data::ChatMessage, 1> messages = {{{"user", prompt.text}}};
  LongBenchPrompt result;
  result.text = chat.render(messages, true);
  result.truncated = prompt.truncated;
  // Templates may trim what the user says. What is left of it: from the first byte that is no white
  // space to the last.
  const std::size_t first = prompt.text.find_first_not_of(" \t\r\n\v\f");
  core::require(first != std::string::npos, "eval", "a prompt of nothing but white space");
  const std::size_t last = prompt.text.find_last_not_of(" \t\r\n\v\f");
  const std::string inner = prompt.text.substr(first, last + 1 - first);
  const std::size_t at = result.text.find(inner);
  core::require(at != std::string::npos, "eval",
                "the chat template changes what the user says: set eval.longbench.chat: false");
  // Of white space around the cut, trimmed or not, at most the ends can be missing.
  const std::size_t cut = prompt.suffix < first      ? first
                          : prompt.suffix > last + 1 ? last + 1
                                                     : prompt.suffix;
  result.suffix = at + cut - first;
  return result;
}

}  // namespace unfold::eval
