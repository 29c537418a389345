#include "eval/rag/rag_task.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "data/text.h"
#include "eval/rag/rag_prompt.h"
#include "eval/records/record_file.h"
#include "eval/tasks/prompt_limits.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kInvented = "invented";

std::vector<fs::path> record_files(const EvalSettings& settings) {
  const std::vector<std::string>& records = settings.eval.rag.records;
  return data::list_text_files({records.begin(), records.end()}, {".jsonl"});
}

fs::path file_of(std::string_view name, const EvalSettings& settings) {
  std::string known;
  for (const fs::path& file : record_files(settings)) {
    if (file.stem().string() == name) return file;
    known += (known.empty() ? "" : ", ") + fmt::format("rag.{}", file.stem().string());
  }
  core::fail("eval", "task rag.{}: eval.rag.records has no {}.jsonl: choose one of {}", name, name,
             known);
}

}  // namespace

RagTask::RagTask(std::string name, const LoadedRun& run, const EvalSettings& settings)
    : GenerationTask(name, run, settings), metrics_(DatasetMetric::all_of(kRag)) {
  const RagConfig& config = settings.eval.rag;
  const RagPrompt prompt(run, config);
  data::Sha256 sha;
  const auto add = [&](const RagRecord& record, std::string_view place) {
    std::vector<std::int64_t> places = config.gold_at;
    if (places.empty() || record.gold() < 0) places = {record.gold()};
    std::vector<GenerationSample> made;
    for (const std::int64_t at : places) {
      RagRecord moved = record;
      moved.move_gold(at);
      made.push_back(prompt.make(moved));
      check_length(made.back(), run, settings, place);
    }
    for (GenerationSample& sample : made) {
      hash_sample(sample, sha);
      samples_.push_back(std::move(sample));
    }
  };
  if (config.records.empty()) {
    core::require(name_ == fmt::format("{}.{}", kRag, kInvented), "eval",
                  "task {} reads records, but eval.rag.records is empty: name its file there, or "
                  "take rag.{}",
                  name_, kInvented);
    for (std::int64_t i = 0; i < settings.eval.samples; ++i) {
      // Without gold_at, the document with the answer is at every place in turn.
      add(generate_rag_record(settings.seed, i, config.documents, i % config.documents),
          fmt::format("{} {}", name_, i));
    }
  } else {
    BadRecords bad(settings.eval.on_bad_record);
    read_record_file(
        file_of(name_.substr(kRag.size() + 1), settings), settings.eval.limit, bad,
        [&](const JsonRecord& record) { add(parse_rag_record(record), record.place()); });
    skipped_ = bad.skipped();
  }
  settings_ = prompt.settings() + fmt::format("records {}\n", sha.hex_digest());
}

std::int64_t RagTask::size(std::int64_t i) const {
  return sample_positions(samples_[static_cast<std::size_t>(i)]);
}

std::vector<SampleScore> RagTask::score(const GenerationSample& sample,
                                        const std::string& pred) const {
  std::vector<SampleScore> scores;
  for (const DatasetMetric& metric : metrics_) {
    scores.push_back({std::string(metric.name()), metric.score({pred, sample.answers, {}, 0})});
  }
  return scores;
}

std::vector<std::string> rag_tasks(const EvalSettings& settings) {
  if (settings.eval.rag.records.empty()) return {fmt::format("{}.{}", kRag, kInvented)};
  std::vector<std::string> tasks;
  for (const fs::path& file : record_files(settings)) {
    tasks.push_back(fmt::format("{}.{}", kRag, file.stem().string()));
    core::require(std::count(tasks.begin(), tasks.end(), tasks.back()) == 1, "eval",
                  "eval.rag.records has two files {}: rename one, since tasks are named by them",
                  file.filename().string());
  }
  return tasks;
}

}  // namespace unfold::eval
