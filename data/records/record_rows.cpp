#include "data/records/record_rows.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

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
    const bool context =
        part.kind == RecordPart::Kind::system || part.kind == RecordPart::Kind::segment;
    if (!context) count += part.tokens;
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
  bool system = record.has_system;  // the first segment alone
  for (const std::string& segment : record.segments) {
    add(tokenizer.encode(segment),
        std::exchange(system, false) ? RecordPart::Kind::system : RecordPart::Kind::segment);
  }
  for (const Question& question : record.questions) {
    add(tokenizer.encode(question.question), RecordPart::Kind::question);
    std::vector<TokenId> answer = tokenizer.encode(" " + question.answer);
    answer.push_back(tokenizer.eos());
    add(std::move(answer), RecordPart::Kind::answer);
  }
  return result;
}

namespace {

// Puts the parts of a record behind each other.
class RecordLayout {
 public:
  RecordLayout(std::span<const TokenId> tokens, const RowFormat& format)
      : tokens_(tokens),
        format_(format),
        links_(format.gist.levels() > 0 && format.gist.links > 0) {
    result_.elements.reserve(tokens.size() + tokens.size() / 4);
    result_.is_label.reserve(tokens.size());
  }

  void add(const RecordPart& part) {
    const auto first = static_cast<std::int32_t>(result_.is_label.size());
    const bool answer = part.kind == RecordPart::Kind::answer;
    result_.is_label.insert(result_.is_label.end(), static_cast<std::size_t>(part.tokens),
                            answer ? 1 : 0);
    switch (part.kind) {
      case RecordPart::Kind::system:
        if (links_) {
          add_raw(first, part.tokens, gsa::Part::system);
        } else {
          add_segment(first, part.tokens, gsa::Part::none);
        }
        break;
      case RecordPart::Kind::segment:
        add_segment(first, part.tokens, gsa::Part::document);
        add_links();
        break;
      case RecordPart::Kind::question:
      case RecordPart::Kind::answer:
        add_raw(first, part.tokens, gsa::Part::suffix);
        break;
    }
  }

  RecordElements take() && { return std::move(result_); }

 private:
  void add(gsa::Element element, gsa::Part part) {
    result_.elements.push_back(element);
    if (links_) result_.part.push_back(part);
  }

  void add_raw(std::int32_t first, std::int32_t count, gsa::Part part) {
    for (std::int32_t i = 0; i < count; ++i) add({first + i, -1}, part);
  }

  void add_segment(std::int32_t first, std::int32_t count, gsa::Part part) {
    starts_word_.clear();
    if (format_.gist.rule == gsa::InsertionRule::word) {
      for (const TokenId token :
           tokens_.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count))) {
        starts_word_.push_back(format_.starts_word[static_cast<std::size_t>(token)]);
      }
    }
    for (gsa::Element element : gsa::insert_gists(count, starts_word_, format_.gist)) {
      if (element.level < 0) element.raw += first;
      add(element, part);
    }
  }

  void add_links() {
    for (std::int64_t i = 0; links_ && i < format_.gist.links; ++i) {
      add({-1, -1}, gsa::Part::link);
    }
  }

  std::span<const TokenId> tokens_;
  const RowFormat& format_;
  bool links_;
  std::vector<std::uint8_t> starts_word_;
  RecordElements result_;
};

}  // namespace

RecordElements lay_out_record(std::span<const TokenId> tokens, std::span<const RecordPart> parts,
                              const RowFormat& format) {
  RecordLayout layout(tokens, format);
  for (const RecordPart& part : parts) layout.add(part);
  return std::move(layout).take();
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
      batch.add(tokens, record.elements, record.is_label, record.part);
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
    const RecordElements laid_out = lay_out_record(tokenized.tokens, tokenized.parts, format());
    const auto positions = static_cast<std::int64_t>(laid_out.elements.size());
    const std::int64_t links =
        std::count(laid_out.part.begin(), laid_out.part.end(), gsa::Part::link);
    if (positions > row) {
      core::require(on_long == OnLong::skip, kTag,
                    "{}: the record takes {} positions (context {}, gists {},{} questions and "
                    "answers {}), a row has {}: raise train.row_length, shorten the context, or "
                    "set data.on_long: skip",
                    reader.place(), positions, tokens - suffix, positions - tokens - links,
                    links > 0 ? fmt::format(" links {},", links) : "", suffix, row);
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
