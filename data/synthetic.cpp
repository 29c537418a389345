#include "data/synthetic.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "data/published_file.h"
#include "data/synthetic/generator.h"

namespace unfold::data {

namespace fs = std::filesystem;
using synthetic::kTag;

namespace {

constexpr std::array<std::pair<SyntheticTask, std::string_view>, 3> kTasks = {{
    {SyntheticTask::recall, "recall"},
    {SyntheticTask::passkey, "passkey"},
    {SyntheticTask::multikey, "multikey"},
}};

// Part of every stream's key: what other parts of the program draw from the same seed differs.
constexpr std::uint64_t kDomain = 0x73796e74;

}  // namespace

std::string_view name_of(SyntheticTask task) {
  for (const auto& [value, name] : kTasks) {
    if (value == task) return name;
  }
  return "";
}

SyntheticTask synthetic_task_from_name(std::string_view name) {
  for (const auto& [value, known] : kTasks) {
    if (known == name) return value;
  }
  core::fail(kTag, "unknown task '{}': choose recall, passkey or multikey", name);
}

SyntheticDocument make_document(const SyntheticOptions& options, std::int64_t index) {
  core::require(options.context > 0 && options.context <= kMostSyntheticContext, kTag,
                "a context of size {}: give a size from 1 to {}", options.context,
                kMostSyntheticContext);
  core::require(options.facts >= 0 && options.min_facts >= 0, kTag,
                "{} facts, at least {}: give 0 or more", options.facts, options.min_facts);
  core::require(options.questions >= 0, kTag, "{} questions: give 0 (every fact once) or more",
                options.questions);
  core::check(index >= 0, kTag, "document {}", index);
  CounterRandom random{kDomain, options.seed, static_cast<std::uint64_t>(options.split),
                       static_cast<std::uint64_t>(options.task), static_cast<std::uint64_t>(index)};
  switch (options.task) {
    case SyntheticTask::recall:
      return synthetic::make_recall(options, random);
    case SyntheticTask::passkey:
      return synthetic::make_passkey(options, index, random);
    case SyntheticTask::multikey:
      return synthetic::make_multikey(options, random);
  }
  core::fail(kTag, "unknown task {}", static_cast<int>(options.task));
}

std::string training_text(const SyntheticDocument& document) {
  std::string text = document.context;
  for (const Question& question : document.questions) {
    text += question.question + " " + question.answer + "\n";
  }
  return text;
}

std::vector<RecallSample> make_samples(const SyntheticOptions& options, std::int64_t count) {
  std::vector<RecallSample> samples;
  for (std::int64_t i = 0; i < count; ++i) {
    SyntheticDocument document = make_document(options, i);
    Question& first = document.questions.front();
    samples.push_back(
        {std::move(document.context), std::move(first.question), std::move(first.answer)});
  }
  return samples;
}

std::int64_t count_words(std::string_view text) {
  std::int64_t words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n';
    if (!space && !inside) ++words;
    inside = !space;
  }
  return std::max<std::int64_t>(1, words);
}

std::int64_t curriculum_facts(std::int64_t facts, double fraction, std::int64_t index,
                              std::int64_t count) {
  constexpr std::int64_t kFirst = 2;
  if (facts <= kFirst) return facts;
  const double done = static_cast<double>(index) / (fraction * static_cast<double>(count));
  const double grown = static_cast<double>(facts - kFirst) * std::min(1.0, done);
  return kFirst + static_cast<std::int64_t>(grown);
}

void write_synthetic_corpus(const fs::path& file, SyntheticOptions options,
                            const SyntheticCorpusOptions& corpus,
                            const std::function<void(std::int64_t)>& progress) {
  core::require(corpus.count > 0, kTag, "{} documents: ask for at least 1", corpus.count);
  core::require(corpus.curriculum >= 0 && corpus.curriculum <= 1, kTag,
                "a curriculum over {} of the documents: choose a fraction from 0 to 1",
                corpus.curriculum);
  core::require(
      corpus.curriculum == 0 || (options.facts > 0 && options.task == SyntheticTask::recall), kTag,
      "a curriculum is for the task recall and a number of facts to grow to: give that too");
  PublishedFile out(kTag, file, corpus.overwrite);
  const std::int64_t facts = options.facts;
  for (std::int64_t i = 0; i < corpus.count; ++i) {
    if (corpus.curriculum > 0) {
      options.facts = curriculum_facts(facts, corpus.curriculum, i, corpus.count);
    }
    const SyntheticDocument document = make_document(options, i);
    out.write((corpus.format == SyntheticFormat::sft
                   ? record_json(document.context, document.questions)
                   : nlohmann::json{{"text", training_text(document)}}.dump()) +
              "\n");
    if (progress) progress(i + 1);
  }
  out.seal();
  out.publish();
}

}  // namespace unfold::data
