#include "data/records/record_rows.h"

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "data/records/record_reader.h"
#include "gsa/insertion.h"

namespace unfold::data {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kTag = "records";

std::int64_t suffix_tokens(const RecordTokens& record) {
  std::int64_t count = 0;
  for (const RecordPart& part : record.parts) {
    if (part.kind != RecordPart::Kind::segment) count += part.tokens;
  }
  return count;
}

}  // namespace

RecordTokens tokenize_record(const Record& record, const Tokenizer& tokenizer) {
  RecordTokens result;
  const auto add = [&](std::vector<TokenId> tokens, RecordPart::Kind kind) {
    result.parts.push_back({static_cast<std::int32_t>(tokens.size()), kind});
    result.tokens.insert(result.tokens.end(), tokens.begin(), tokens.end());
  };
  for (const std::string& segment : record.segments) {
    add(tokenizer.encode(segment), RecordPart::Kind::segment);
  }
  for (const Question& question : record.questions) {
    add(tokenizer.encode(question.question), RecordPart::Kind::question);
    std::vector<TokenId> answer = tokenizer.encode(" " + question.answer);
    answer.push_back(tokenizer.eos());
    add(std::move(answer), RecordPart::Kind::answer);
  }
  return result;
}

RecordElements lay_out_record(std::span<const TokenId> tokens, std::span<const RecordPart> parts,
                              const RowFormat& format) {
  RecordElements result;
  result.elements.reserve(tokens.size() + tokens.size() / 4);
  result.is_label.reserve(tokens.size());
  const auto add_raw = [&](std::int32_t first, std::int32_t count) {
    for (std::int32_t i = 0; i < count; ++i) result.elements.push_back({first + i, -1});
  };
  std::vector<std::uint8_t> starts_word;
  for (const RecordPart& part : parts) {
    const auto first = static_cast<std::int32_t>(result.is_label.size());
    result.is_label.insert(result.is_label.end(), static_cast<std::size_t>(part.tokens),
                           part.kind == RecordPart::Kind::answer ? 1 : 0);
    if (part.kind != RecordPart::Kind::segment) {
      add_raw(first, part.tokens);
      continue;
    }
    starts_word.clear();
    if (format.gist.rule == gsa::InsertionRule::word) {
      for (const TokenId token :
           tokens.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(part.tokens))) {
        starts_word.push_back(format.starts_word[static_cast<std::size_t>(token)]);
      }
    }
    for (gsa::Element element : gsa::insert_gists(part.tokens, starts_word, format.gist)) {
      if (element.level < 0) element.raw += first;
      result.elements.push_back(element);
    }
  }
  return result;
}

// The records of one file that fit in a row.
struct RecordShards::File {
  struct Entry {
    std::size_t token;       // its first one
    std::size_t part;        // its first one
    std::int64_t positions;  // in a row, gists included
  };

  fs::path path;
  std::vector<TokenId> tokens;
  std::vector<RecordPart> parts;
  std::vector<Entry> entries;

  std::span<const TokenId> tokens_of(std::size_t i) const {
    const std::size_t end = i + 1 < entries.size() ? entries[i + 1].token : tokens.size();
    return std::span(tokens).subspan(entries[i].token, end - entries[i].token);
  }
  std::span<const RecordPart> parts_of(std::size_t i) const {
    const std::size_t end = i + 1 < entries.size() ? entries[i + 1].part : parts.size();
    return std::span(parts).subspan(entries[i].part, end - entries[i].part);
  }
};

class RecordShards::Rows final : public RowSequence {
 public:
  Rows(const File& file, std::vector<std::int64_t> order, const RowFormat& format)
      : file_(file), order_(std::move(order)), format_(format) {
    std::int64_t room = 0;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const std::int64_t positions = file_.entries[at(i)].positions;
      if (positions > room) {
        starts_.push_back(i);
        room = format_.row_length;
      }
      room -= positions;
    }
  }

  bool has_row(std::int64_t index) override {
    return index < static_cast<std::int64_t>(starts_.size());
  }

  void add_row(std::int64_t index, BatchBuilder& batch) override {
    core::check(index >= 0 && has_row(index), kTag, "{} has no row {}", file_.path.string(), index);
    const auto row = static_cast<std::size_t>(index);
    const std::size_t end = row + 1 < starts_.size() ? starts_[row + 1] : order_.size();
    for (std::size_t i = starts_[row]; i < end; ++i) {
      const auto tokens = file_.tokens_of(at(i));
      const RecordElements record = lay_out_record(tokens, file_.parts_of(at(i)), format_);
      batch.add(tokens, record.elements, record.is_label);
    }
    batch.end_row();
  }

  const fs::path& path() const override { return file_.path; }

 private:
  std::size_t at(std::size_t i) const { return static_cast<std::size_t>(order_[i]); }

  const File& file_;
  std::vector<std::int64_t> order_;
  const RowFormat& format_;
  std::vector<std::size_t> starts_;  // of rows, indices into the order
};

RecordShards::RecordShards(const std::vector<std::string>& inputs, const Tokenizer& tokenizer,
                           RowFormat format, OnLong on_long)
    : RowShards(std::move(format)) {
  const std::vector<fs::path> paths = find_record_files(inputs);
  for (const fs::path& path : paths) read(path, tokenizer, on_long);
  core::require(!files_.empty(), kTag,
                "{}: every record is longer than a row of {} positions: raise train.row_length",
                paths.front().string(), this->format().row_length);
  if (skipped_ > 0) {
    core::log::warning(
        "[records] {}{}: {} of {} records are longer than a row of {} positions and left out",
        inputs.front(), inputs.size() > 1 ? ", ..." : "", skipped_, skipped_ + records(),
        this->format().row_length);
  }
}

RecordShards::~RecordShards() = default;

void RecordShards::read(const fs::path& path, const Tokenizer& tokenizer, OnLong on_long) {
  const std::int64_t row = format().row_length;
  File file;
  file.path = path;
  RecordReader reader(path);
  for (Record record; reader.next(record);) {
    const RecordTokens tokenized = tokenize_record(record, tokenizer);
    const auto tokens = static_cast<std::int64_t>(tokenized.tokens.size());
    const std::int64_t suffix = suffix_tokens(tokenized);
    core::require(suffix <= row, kTag,
                  "{}: questions and answers take {} tokens, a row has {} positions: raise "
                  "train.row_length or ask less in one record",
                  reader.place(), suffix, row);
    const auto positions = static_cast<std::int64_t>(
        lay_out_record(tokenized.tokens, tokenized.parts, format()).elements.size());
    if (positions > row) {
      core::require(on_long == OnLong::skip, kTag,
                    "{}: the record takes {} positions (context {}, gists {}, questions and "
                    "answers {}), a row has {}: raise train.row_length, shorten the context, or "
                    "set data.on_long: skip",
                    reader.place(), positions, tokens - suffix, positions - tokens, suffix, row);
      ++skipped_;
      continue;
    }
    file.entries.push_back({file.tokens.size(), file.parts.size(), positions});
    file.tokens.insert(file.tokens.end(), tokenized.tokens.begin(), tokenized.tokens.end());
    file.parts.insert(file.parts.end(), tokenized.parts.begin(), tokenized.parts.end());
  }
  if (file.entries.empty()) return;
  file.tokens.shrink_to_fit();
  file.parts.shrink_to_fit();
  files_.push_back(std::move(file));
}

std::int64_t RecordShards::count() const {
  return static_cast<std::int64_t>(files_.size());
}

std::int64_t RecordShards::records() const {
  std::int64_t sum = 0;
  for (const File& file : files_) sum += static_cast<std::int64_t>(file.entries.size());
  return sum;
}

std::unique_ptr<RowSequence> RecordShards::open(std::int64_t shard,
                                                const std::optional<CounterRandom>& shuffle) {
  const File& file = files_[static_cast<std::size_t>(shard)];
  return std::make_unique<Rows>(
      file, make_order(static_cast<std::int64_t>(file.entries.size()), shuffle), format());
}

}  // namespace unfold::data
