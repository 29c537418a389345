#include "data/tokenizer/train_tokenizer.h"

#include <omp.h>

#include <utility>

#include "core/error.h"
#include "data/tokenizer/bpe_tokenizer.h"
#include "data/tokenizer/word_counter.h"

namespace unfold::data {
namespace {

using Phase = TrainTokenizerProgress::Phase;

// Small enough pieces to spread over threads, a batch large enough to make the threads worth it.
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::size_t kBatchBytes = std::size_t{32} << 20;

}  // namespace

TrainedTokenizer train_tokenizer(
    const std::vector<std::filesystem::path>& inputs, const TrainTokenizerOptions& options,
    const std::function<void(const TrainTokenizerProgress&)>& progress) {
  const TokenizerSpec start = start_spec(options.bpe);
  core::require(options.bpe.min_count > 0, "tokenizer", "least pair count {}: choose 1 or more",
                options.bpe.min_count);
  DocumentReaderOptions reading;
  reading.invalid_utf8 = options.invalid_utf8;
  reading.json_field = options.json_field;
  reading.piece_bytes = kPieceBytes;
  DocumentReader reader(inputs, reading);

  const PreTokenizer pre_tokenizer(start.pre_tokenizer);
  WordCounter counter(pre_tokenizer, start.added,
                      options.threads > 0 ? options.threads : omp_get_max_threads());
  TrainedTokenizer result{};
  std::vector<std::string> batch;
  std::size_t batch_bytes = 0;
  const auto count_batch = [&] {
    counter.add(batch);
    batch.clear();
    batch_bytes = 0;
    if (progress) progress({Phase::counting, reader.bytes_read(), reader.total_bytes()});
  };
  for (Document piece; reader.next(piece);) {
    batch_bytes += piece.text.size();
    result.bytes += static_cast<std::int64_t>(piece.text.size());
    batch.push_back(std::move(piece.text));
    if (batch_bytes >= kBatchBytes) count_batch();
  }
  count_batch();

  const std::vector<WordCount> words = counter.counts();
  result.documents = reader.documents();
  result.distinct_words = static_cast<std::int64_t>(words.size());
  result.tokenizer = std::make_shared<BpeTokenizer>(
      train_bpe(words, options.bpe, [&](std::int64_t done, std::int64_t total) {
        if (progress) progress({Phase::merging, done, total});
      }));
  return result;
}

}  // namespace unfold::data
