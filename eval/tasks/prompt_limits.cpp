#include "eval/tasks/prompt_limits.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"

namespace unfold::eval {
namespace {

void add_text(std::string_view text, data::Sha256& sha) {
  sha.update(fmt::format("{} ", text.size()));
  sha.update(text);
}

void add_tokens(const std::vector<data::TokenId>& tokens, data::Sha256& sha) {
  sha.update(fmt::format("{} ", tokens.size()));
  sha.update({reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(tokens[0])});
}

}  // namespace

std::int64_t position_limit(const LoadedRun& run, const EvalSettings& settings) {
  return settings.eval.max_length > 0 ? settings.eval.max_length
                                      : run.decoder.config().max_positions;
}

std::int64_t sample_positions(const GenerationSample& sample) {
  std::size_t tokens = sample.system.size() + sample.suffix.size();
  for (const auto& segment : sample.segments) tokens += segment.size();
  return static_cast<std::int64_t>(tokens) + sample.max_new_tokens;
}

void check_length(const GenerationSample& sample, const LoadedRun& run,
                  const EvalSettings& settings, std::string_view place) {
  const std::int64_t limit = position_limit(run, settings);
  const std::int64_t length = sample_positions(sample);
  core::require(limit == 0 || length <= limit, "eval",
                "{}: a prompt of {} tokens and an answer of up to {} are longer than the {} "
                "positions of the model (eval.max_length): shorten the record, or set "
                "eval.on_bad_record: skip",
                place, length - sample.max_new_tokens, sample.max_new_tokens, limit);
}

void add_frame(const data::Tokenizer& tokenizer, std::vector<data::TokenId>& tokens) {
  const std::vector<data::TokenId> before = tokenizer.frame().before;
  const bool there =
      tokens.size() >= before.size() && std::equal(before.begin(), before.end(), tokens.begin());
  if (!there) tokens.insert(tokens.begin(), before.begin(), before.end());
}

StopRule chat_stop(const data::Tokenizer& tokenizer, const data::ChatTemplate& chat) {
  StopRule stop;
  const std::vector<data::TokenId> end = tokenizer.encode(chat.end_of_turn());
  if (end.size() == 1) {
    stop.tokens = end;
  } else if (!chat.end_of_turn().empty()) {
    stop.strings = {chat.end_of_turn()};
  }
  return stop;
}

void hash_sample(const GenerationSample& sample, data::Sha256& sha) {
  add_text(sample.id, sha);
  add_tokens(sample.system, sha);
  for (const auto& segment : sample.segments) add_tokens(segment, sha);
  add_tokens(sample.suffix, sha);
  add_tokens(sample.stop.tokens, sha);
  for (const std::string& stop : sample.stop.strings) add_text(stop, sha);
  sha.update(
      fmt::format("{} {} {} ", sample.max_new_tokens, sample.stop.min_new_tokens, sample.length));
  for (const std::string& answer : sample.answers) add_text(answer, sha);
  if (sample.all_classes) {
    for (const std::string& name : *sample.all_classes) add_text(name, sha);
  }
  add_text("end", sha);
}

}  // namespace unfold::eval
