#include "eval/longbench/longbench_task.h"

#include <fmt/core.h>

#include <array>
#include <filesystem>
#include <system_error>

#include "core/error.h"
#include "core/log.h"
#include "data/chat_template.h"
#include "data/sha256.h"
#include "eval/longbench/longbench_config.h"
#include "eval/longbench/longbench_prompt.h"
#include "eval/metrics/dataset_score.h"
#include "eval/records/record_file.h"
#include "eval/tasks/prompt_limits.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;

// A prompt is tokenized again when its middle is cut out, and then in two parts: that may be a few
// tokens more.
constexpr std::int64_t kSpareTokens = 16;

// "longbench_e.hotpotqa": the group and the dataset.
std::pair<std::string_view, std::string_view> parts_of(std::string_view name) {
  const std::size_t dot = name.find('.');
  core::check(dot != std::string_view::npos, "eval", "task {}", name);
  return {name.substr(0, dot), name.substr(dot + 1)};
}

fs::path records_file(const EvalSettings& settings, std::string_view group,
                      std::string_view dataset) {
  return fs::path(settings.eval.longbench.records) /
         fmt::format("{}{}.jsonl", dataset, group == kLongBenchE ? "_e" : "");
}

void require_records(const EvalSettings& settings) {
  core::require(!settings.eval.longbench.records.empty(), "eval",
                "LongBench reads its records: name the folder of its JSONL files in "
                "eval.longbench.records");
  std::error_code ignored;
  core::require(fs::is_directory(settings.eval.longbench.records, ignored), "eval",
                "{}: no such folder: name the one of LongBench's JSONL files in "
                "eval.longbench.records",
                settings.eval.longbench.records);
}

const LongBenchFacts& facts_of(std::string_view group, std::string_view dataset) {
  const LongBenchFacts* facts = find_longbench_facts(dataset);
  if (facts == nullptr || (group == kLongBenchE && !facts->english_e)) {
    std::string known;
    for (const LongBenchFacts& one : longbench_facts()) {
      if (group == kLongBenchE && !one.english_e) continue;
      known += (known.empty() ? "" : ", ") + std::string(one.name);
    }
    core::fail("eval", "unknown dataset '{}' of {}: choose one of {}", dataset, group, known);
  }
  return *facts;
}

// Makes the samples of a file.
class Reader {
 public:
  Reader(const LongBenchFacts& facts, const LoadedRun& run, const EvalSettings& settings)
      : facts_(facts),
        tokenizer_(*run.tokenizer),
        format_(read_longbench_format(settings.eval.longbench.config, facts.name)) {
    if (facts.chat && settings.eval.longbench.chat) {
      chat_ = data::load_chat_template(run.folder, *run.tokenizer);
    }
    if (chat_) stop_ = chat_stop(tokenizer_, *chat_);
    max_length_ = settings.eval.longbench.max_length;
    const std::int64_t limit = position_limit(run, settings);
    if (max_length_ == 0 && limit > 0) {
      max_length_ = limit - format_.max_new_tokens - frame_tokens() - kSpareTokens;
      core::require(max_length_ >= 2, "eval",
                    "{}: answers of {} tokens leave no room for a prompt in the {} positions of "
                    "the model: set eval.longbench.max_length",
                    facts.name, format_.max_new_tokens, limit);
    }
  }

  GenerationSample read(const JsonRecord& record) const {
    if (record.has("dataset")) check_dataset(record);
    const std::string context = record.filled_text("context");
    GenerationSample sample;
    sample.question = record.text("input");
    sample.answers = record.texts("answers");
    if (record.has("all_classes")) sample.all_classes = record.texts("all_classes");
    sample.length = record.integer("length");
    if (record.has("_id")) sample.id = record.text("_id");
    if (sample.answers.empty()) record.fail("\"answers\" is empty: give one at least");
    LongBenchPrompt prompt =
        truncated_prompt(format_.prompt, context, sample.question, tokenizer_, max_length_);
    sample.tags["truncated"] = prompt.truncated ? 1 : 0;
    if (chat_) prompt = as_chat(prompt, *chat_);
    std::vector<data::TokenId> head = tokenizer_.encode(prompt.text.substr(0, prompt.suffix));
    add_frame(tokenizer_, head);
    sample.segments.push_back(std::move(head));
    sample.suffix = tokenizer_.encode(prompt.text.substr(prompt.suffix));
    sample.max_new_tokens = format_.max_new_tokens;
    sample.stop = stop_;
    if (facts_.ends_at_line) {
      const std::vector<data::TokenId> line_end = tokenizer_.encode("\n");
      sample.stop.tokens.push_back(line_end.back());
      sample.stop.min_new_tokens = 1;
    }
    return sample;
  }

  std::string settings() const {
    return fmt::format("template {}\nchat template {}\nlongest prompt {}\nlongest answer {}\n",
                       digest(format_.prompt_text), chat_ ? chat_->kind() : "none", max_length_,
                       format_.max_new_tokens);
  }

  static std::string digest(std::string_view text) {
    data::Sha256 sha;
    sha.update(text);
    return sha.hex_digest();
  }

 private:
  void check_dataset(const JsonRecord& record) const {
    std::string name = record.text("dataset");
    if (name.ends_with("_e") && find_longbench_facts(name) == nullptr) name.resize(name.size() - 2);
    if (find_longbench_facts(name) == nullptr) {
      record.fail(fmt::format("unknown dataset \"{}\": LongBench has none of that name",
                              name.substr(0, 40)));
    }
    if (name != facts_.name) {
      record.fail(
          fmt::format("a record of dataset \"{}\" in the file of {}: move it", name, facts_.name));
    }
  }

  // Tokens that the chat template adds.
  std::int64_t frame_tokens() const {
    if (!chat_) return 0;
    const std::array<data::ChatMessage, 1> messages = {{{"user", "x"}}};
    return static_cast<std::int64_t>(tokenizer_.encode(chat_->render(messages, true)).size());
  }

  const LongBenchFacts& facts_;
  const data::Tokenizer& tokenizer_;
  LongBenchFormat format_;
  std::optional<data::ChatTemplate> chat_;
  StopRule stop_;
  std::int64_t max_length_ = 0;
};

}  // namespace

LongBenchTask::LongBenchTask(std::string name, const LoadedRun& run, const EvalSettings& settings)
    : GenerationTask(name, run, settings),
      dataset_(&facts_of(parts_of(name).first, parts_of(name).second)),
      by_length_(parts_of(name).first == kLongBenchE),
      metric_(DatasetMetric::of(dataset_->name, settings.eval.jieba)) {
  require_records(settings);
  const fs::path file = records_file(settings, parts_of(name).first, dataset_->name);
  const Reader reader(*dataset_, run, settings);
  BadRecords bad(settings.eval.on_bad_record);
  data::Sha256 sha;
  read_record_file(file, settings.eval.limit, bad, [&](const JsonRecord& record) {
    GenerationSample sample = reader.read(record);
    check_length(sample, run, settings, record.place());
    // What the official scorer would stop at is a bad record.
    metric_.score({"", sample.answers, sample.all_classes.value_or(std::vector<std::string>()),
                   sample.length});
    hash_sample(sample, sha);
    samples_.push_back(std::move(sample));
  });
  skipped_ = bad.skipped();
  settings_ = reader.settings() + fmt::format("records {}\n", sha.hex_digest());
}

std::int64_t LongBenchTask::size(std::int64_t i) const {
  return sample_positions(samples_[static_cast<std::size_t>(i)]);
}

std::string LongBenchTask::settings() const {
  return settings_;
}

std::vector<SampleScore> LongBenchTask::score(const GenerationSample& sample,
                                              const std::string& pred) const {
  const double value =
      metric_.score({pred, sample.answers, sample.all_classes.value_or(std::vector<std::string>()),
                     sample.length});
  return {{std::string(metric_.name()), value}};
}

std::vector<ResultRow> LongBenchTask::rows(std::span<const Prediction> predictions) const {
  std::vector<ResultRow> rows = GenerationTask::rows(predictions);
  if (!by_length_) return rows;
  const std::string metric = rows.front().metric;
  for (std::size_t bucket = 0; bucket < kLengthBuckets.size(); ++bucket) {
    std::vector<Prediction> some;
    for (const Prediction& prediction : predictions) {
      if (length_bucket(prediction.length) == bucket) some.push_back(prediction);
    }
    if (some.empty()) continue;
    ResultRow row = GenerationTask::rows(some).front();
    row.metric = fmt::format("{} {}", metric, kLengthBuckets[bucket]);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::string> longbench_tasks(std::string_view group, const EvalSettings& settings) {
  require_records(settings);
  std::vector<std::string> tasks;
  std::string missing;
  std::error_code ignored;
  for (const LongBenchFacts& facts : longbench_facts()) {
    if (group == kLongBenchE && !facts.english_e) continue;
    if (fs::exists(records_file(settings, group, facts.name), ignored)) {
      tasks.push_back(fmt::format("{}.{}", group, facts.name));
    } else {
      missing += (missing.empty() ? "" : ", ") + std::string(facts.name);
    }
  }
  core::require(!tasks.empty(), "eval",
                "{}: has none of the files of {}, such as {}: name their folder in "
                "eval.longbench.records",
                settings.eval.longbench.records, group,
                records_file(settings, group, "hotpotqa").filename().string());
  if (!missing.empty()) {
    core::log::warning("{} is measured without {}: their files are not in {}", group, missing,
                       settings.eval.longbench.records);
  }
  return tasks;
}

}  // namespace unfold::eval
