#include "data/row_format.h"

#include "core/error.h"

namespace unfold::data {

namespace {

constexpr std::string_view kTag = "loader";

}  // namespace

RowFormat make_row_format(const Tokenizer& tokenizer, const gsa::GistConfig& gist,
                          std::int64_t row_length, std::int64_t model_vocab) {
  core::require(row_length >= 2, kTag,
                "a row of {} positions holds no token and its target: raise train.row_length",
                row_length);
  if (gist.levels() > 0) {
    core::require(
        gist.chunks.front() <= row_length, kTag,
        "a chunk of {} tokens does not fit in a row of {} positions: lower gist.chunks or "
        "raise train.row_length",
        gist.chunks.front(), row_length);
  }
  const std::vector<std::uint8_t> two_words = {1, 1};
  const auto least = static_cast<std::int64_t>(gsa::insert_gists(2, two_words, gist).size());
  core::require(
      least <= row_length, kTag,
      "two tokens and their gists take {} positions, a row has {}: raise train.row_length", least,
      row_length);
  RowFormat format;
  format.gist = gist;
  format.row_length = row_length;
  format.vocab = describe_vocab(tokenizer);
  const std::int64_t raw_rows = model_vocab > 0 ? model_vocab : format.vocab.vocab_size;
  core::check(raw_rows >= format.vocab.vocab_size, kTag, "a model of {} rows for {} tokens",
              raw_rows, format.vocab.vocab_size);
  format.first_gist = static_cast<TokenId>(raw_rows);
  if (gist.rule == gsa::InsertionRule::word) format.starts_word = starts_word_table(tokenizer);
  return format;
}

void BatchBuilder::add(std::span<const TokenId> tokens, std::span<const gsa::Element> elements,
                       std::span<const std::uint8_t> is_label, std::span<const gsa::Part> part) {
  if (!part.empty()) {
    core::check(part.size() == elements.size(), kTag, "{} parts of {} elements", part.size(),
                elements.size());
    part_.resize(tokens_.size(), gsa::Part::none);
    part_.insert(part_.end(), part.begin(), part.end());
  }
  TokenId link = 0;  // of the links behind a document
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const gsa::Element& element = elements[i];
    if (!part.empty() && part[i] == gsa::Part::link) {
      tokens_.push_back(format_.first_gist + format_.gist.levels() + link++);
      level_.push_back(-1);
      documents_.push_back(document_);
      is_label_.push_back(0);
      continue;
    }
    link = 0;
    const bool raw = element.level < 0;
    tokens_.push_back(raw ? tokens[static_cast<std::size_t>(element.raw)]
                          : static_cast<TokenId>(format_.first_gist + element.level));
    level_.push_back(element.level);
    documents_.push_back(document_);
    // A gist is never a target.
    is_label_.push_back(
        raw && (is_label.empty() || is_label[static_cast<std::size_t>(element.raw)] != 0) ? 1 : 0);
  }
  ++document_;
}

void BatchBuilder::end_row() {
  ++rows_;
  const auto size = static_cast<std::size_t>(rows_ * format_.row_length);
  core::check(tokens_.size() <= size, kTag, "row {} is longer than {}", rows_ - 1,
              format_.row_length);
  tokens_.resize(size, 0);
  level_.resize(size, -1);
  documents_.resize(size, -1);
  is_label_.resize(size, 0);
  if (!part_.empty()) part_.resize(size, gsa::Part::none);
  document_ = 0;
}

Batch BatchBuilder::build() && {
  Batch batch;
  batch.layout =
      gsa::make_layout(rows_, format_.row_length, format_.gist.levels(), level_, documents_, part_);
  batch.tokens = std::move(tokens_);
  batch.targets.assign(batch.tokens.size(), kIgnoredTarget);
  for (std::size_t t = 0; t + 1 < batch.tokens.size(); ++t) {
    const bool row_ends = (t + 1) % static_cast<std::size_t>(format_.row_length) == 0;
    const bool same_document = documents_[t] >= 0 && documents_[t] == documents_[t + 1];
    // The raw token behind a gist is predicted from the gist itself.
    if (row_ends || !same_document || is_label_[t + 1] == 0) continue;
    const TokenId target = batch.tokens[t + 1];
    batch.targets[t] = target;
    ++batch.valid_targets;
    batch.target_bytes += format_.vocab.token_bytes[static_cast<std::size_t>(target)];
  }
  return batch;
}

}  // namespace unfold::data
