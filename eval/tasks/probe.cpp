#include "eval/tasks/probe.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "eval/metrics/interval.h"
#include "eval/metrics/string_match.h"
#include "eval/tasks/check_lengths.h"
#include "eval/tasks/prompt_limits.h"

namespace unfold::eval {
namespace {

// Positions beside the context, about: question, cue and answer.
constexpr std::int64_t kBesides = 128;

// What stands around a context.
struct Frame {
  std::string before;
  std::string behind;
};

Frame frame_of(const std::optional<data::ChatTemplate>& chat, const ProbeSample& probe) {
  const std::string cue = probe.cue.empty() ? "" : " " + probe.cue;
  if (!chat) return {"", fmt::format("\nQuestion: {}\nAnswer:{}", probe.question, cue)};
  // Stands for the context while the template is rendered; of private use, so in no text.
  constexpr std::string_view kContext = "\xEE\x80\x80";
  const std::array<data::ChatMessage, 1> messages = {
      {{"user", fmt::format("{}\n\n{}", kContext, probe.question)}}};
  const std::string text = chat->render(messages, true);
  const std::size_t at = text.find(kContext);
  core::require(at != std::string::npos, "eval",
                "the chat template changes what the user says: set eval.probes.chat: false");
  return {text.substr(0, at), text.substr(at + kContext.size()) + probe.cue};
}

std::string task_name(ProbeKind kind) {
  return fmt::format("{}.{}", kProbe, name_of(kind));
}

ProbeKind kind_of(std::string_view name) {
  std::string known;
  for (const ProbeKind kind : probe_kinds()) {
    if (task_name(kind) == name) return kind;
    known += (known.empty() ? "" : ", ") + task_name(kind);
  }
  core::fail("eval", "unknown task '{}': choose one of {}", name, known);
}

}  // namespace

ProbeTask::ProbeTask(std::string name, const LoadedRun& run, const EvalSettings& settings)
    : GenerationTask(name, run, settings), kind_(kind_of(name)), config_(settings.eval.probes) {
  check_lengths("eval.probes.lengths", config_.lengths);
  if (config_.chat) {
    chat_ = data::load_chat_template(run.folder, *run.tokenizer);
    core::require(chat_.has_value(), "eval",
                  "{}: no chat template: put the model's into chat_template.txt there, or set "
                  "eval.probes.chat: false",
                  run.folder.string());
  }
  // Lengths that do not do are known now.
  const auto [shortest, longest] =
      std::minmax_element(config_.lengths.begin(), config_.lengths.end());
  sample((shortest - config_.lengths.begin()) * samples_of_length());
  const GenerationSample last = sample((longest - config_.lengths.begin()) * samples_of_length());
  const std::int64_t limit = position_limit(run, settings);
  core::require(limit == 0 || sample_positions(last) <= limit, "eval",
                "{}: with question and answer, a context of {} tokens takes {} of the {} positions "
                "of the model (eval.max_length): leave it out of eval.probes.lengths",
                name, *longest, sample_positions(last), limit);
}

std::vector<std::string> probe_tasks() {
  std::vector<std::string> names;
  for (const ProbeKind kind : probe_kinds()) names.push_back(task_name(kind));
  return names;
}

std::int64_t ProbeTask::samples_of_length() const {
  return config_.depths * config_.samples;
}

std::int64_t ProbeTask::samples() const {
  return static_cast<std::int64_t>(config_.lengths.size()) * samples_of_length();
}

std::int64_t ProbeTask::length(std::int64_t i) const {
  return config_.lengths.at(static_cast<std::size_t>(i / samples_of_length()));
}

std::int64_t ProbeTask::size(std::int64_t i) const {
  return length(i) + kBesides;
}

std::string ProbeTask::settings() const {
  std::string text = fmt::format("probe 1: {} seed {}, {} depths, {} samples", name_of(kind_),
                                 seed_, config_.depths, config_.samples);
  text += fmt::format(", {} keys, {} values, {} queries, {} chains, {} hops, lengths", config_.keys,
                      config_.values, config_.queries, config_.chains, config_.hops);
  for (const std::int64_t length : config_.lengths) text += fmt::format(" {}", length);
  return text + (chat_ ? fmt::format(", template {}", chat_->kind()) : "");
}

std::vector<data::TokenId> ProbeTask::encode(const std::string& text) const {
  return tokenizer().encode(text);
}

GenerationSample ProbeTask::sample(std::int64_t i) const {
  ProbeOptions options;
  options.seed = seed_;
  options.context_tokens = length(i);
  options.depths = config_.depths;
  options.keys = config_.keys;
  options.values = config_.values;
  options.queries = config_.queries;
  options.chains = config_.chains;
  options.hops = config_.hops;
  const std::int64_t index = i % samples_of_length();
  const ProbeSample probe = make_probe(kind_, options, index, [&](std::string_view text) {
    return static_cast<std::int64_t>(tokenizer().encode(text).size());
  });

  GenerationSample result;
  result.id = fmt::format("{}-{}", options.context_tokens, index);
  const Frame frame = frame_of(chat_, probe);
  if (probe.segments.size() == 1) {
    result.segments = {encode(frame.before + probe.instruction + probe.segments.front())};
  } else {
    result.system = encode(frame.before + probe.instruction);
    for (const std::string& segment : probe.segments) result.segments.push_back(encode(segment));
  }
  if (chat_) {  // templates tell their special tokens, or leave them to the tokenizer
    add_frame(tokenizer(), result.system.empty() ? result.segments.front() : result.system);
  }
  result.suffix = encode(frame.behind);
  std::string all;
  for (const std::string& answer : probe.answers) all += " " + answer + ",";
  // Room for other words in between.
  result.max_new_tokens = 2 * static_cast<std::int64_t>(encode(all).size()) + 16;
  if (chat_) {
    const std::vector<data::TokenId> end = encode(chat_->end_of_turn());
    if (end.size() == 1) result.stop.tokens = end;
  }
  result.question = probe.question;
  result.answers = probe.answers;
  for (const auto& segment : result.segments) {
    result.length += static_cast<std::int64_t>(segment.size());
  }
  result.length += static_cast<std::int64_t>(result.system.size());
  result.tags = probe.tags;
  return result;
}

std::vector<SampleScore> ProbeTask::score(const GenerationSample& sample,
                                          const std::string& pred) const {
  if (kind_ == ProbeKind::passkey) {
    return {{"accuracy", passkey_match(pred, sample.answers.front())}};
  }
  return {{"string_match", string_match_share(pred, sample.answers)}};
}

std::vector<ResultRow> ProbeTask::rows(std::span<const Prediction> predictions) const {
  const auto rows_of = [&](std::span<const Prediction> some) {
    std::vector<ResultRow> rows = SampledTask::rows(some);
    if (kind_ != ProbeKind::passkey) return rows;
    // Right or wrong: an interval that tells something when all or none are right.
    ResultRow& row = rows.front();
    const Interval interval =
        wilson_interval(std::llround(row.value * static_cast<double>(row.n)), row.n);
    row.low = interval.low;
    row.high = interval.high;
    return rows;
  };
  std::vector<ResultRow> rows = rows_of(predictions);
  if (config_.lengths.size() == 1) return rows;
  const auto part = static_cast<std::size_t>(samples_of_length());
  for (std::size_t i = 0; i < config_.lengths.size(); ++i) {
    for (ResultRow& row : rows_of(predictions.subspan(i * part, part))) {
      row.task = fmt::format("{}.{}", name(), config_.lengths[i]);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace unfold::eval
