#include "eval/tasks/answers.h"

#include <fmt/core.h>

#include "core/error.h"
#include "data/records/record_reader.h"
#include "data/records/record_rows.h"
#include "data/sha256.h"

namespace unfold::eval {

AnswersTask::AnswersTask(const LoadedRun& run, const EvalSettings& settings)
    : ExactMatchTask("answers", settings), prompts_(run, settings.gist) {
  core::require(settings.format == data::DataFormat::sft, "eval",
                "task answers reads records, but data.format is text: set data.format: sft and "
                "data.val, or leave the task out");
  core::require(!settings.val.empty(), "eval",
                "task answers needs held-out records: name JSONL files in data.val");
  for (const std::filesystem::path& file : data::find_record_files(settings.val)) {
    data::RecordReader reader(file);
    data::Record record;
    while (static_cast<std::int64_t>(records_.size()) < settings.eval.samples &&
           reader.next(record)) {
      record.questions.resize(1);
      records_.push_back(record);
    }
  }
  data::Sha256 sha;
  for (const data::Record& record : records_) {
    const data::RecordTokens tokens = data::tokenize_record(record, *run.tokenizer);
    sizes_.push_back(static_cast<std::int64_t>(tokens.tokens.size()));
    for (const std::string& segment : record.segments) {
      sha.update(fmt::format("{} {}", segment.size(), segment));
    }
    const data::Question& asked = record.questions.front();
    sha.update(fmt::format("{} {} {} {} {}", record.has_system, asked.question.size(),
                           asked.question, asked.answer.size(), asked.answer));
  }
  set_samples(static_cast<std::int64_t>(records_.size()), sizes_.front());
  settings_ = fmt::format("records {}\n", sha.hex_digest());
}

AnsweredPrompt AnswersTask::sample(const LoadedRun& run, const Method& method,
                                   std::int64_t i) const {
  const data::RecordTokens record =
      data::tokenize_record(records_[static_cast<std::size_t>(i)], *run.tokenizer);
  std::vector<std::span<const data::TokenId>> segments;
  std::span<const data::TokenId> rest = record.tokens;
  AnsweredPrompt result;
  std::span<const data::TokenId> question, system;
  for (const data::RecordPart& part : record.parts) {
    const auto tokens = rest.first(static_cast<std::size_t>(part.tokens));
    rest = rest.subspan(tokens.size());
    switch (part.kind) {
      case data::RecordPart::Kind::system:
        system = tokens;
        break;
      case data::RecordPart::Kind::segment:
        segments.push_back(tokens);
        break;
      case data::RecordPart::Kind::question:
        question = tokens;
        break;
      case data::RecordPart::Kind::answer:  // without the end-of-text token
        result.answer.assign(tokens.begin(), tokens.end() - 1);
        break;
    }
  }
  result.prompt = prompts_.build(method, segments, question, system);
  return result;
}

}  // namespace unfold::eval
