// Training a tokenizer on files: what `unfold data train-tokenizer` does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/text.h"
#include "data/tokenizer/bpe_trainer.h"
#include "data/tokenizer/tokenizer.h"

namespace unfold::data {

struct TrainTokenizerOptions {
  BpeTrainOptions bpe;
  InvalidUtf8 invalid_utf8 = InvalidUtf8::error;
  std::string json_field = "text";  // JSONL member that holds the text
  int threads = 0;                  // 0: as many as OpenMP would use
};

struct TrainTokenizerProgress {
  enum class Phase { counting, merging };
  Phase phase;
  std::int64_t done;   // counting: bytes of the files read; merging: vocabulary entries made
  std::int64_t total;  // counting: bytes of all files; merging: vocabulary entries wanted
};

struct TrainedTokenizer {
  std::shared_ptr<const Tokenizer> tokenizer;  // save() writes tokenizer.json
  std::int64_t documents;
  std::int64_t bytes;  // of text, after UTF-8 repair and JSON decoding
  std::int64_t distinct_words;
};

// Trains byte-level BPE on text, Markdown and JSONL files or folders of them (data/text.h), in one
// pass and bounded memory: about 32 MiB of text at a time, and at most some millions of distinct
// words. The same inputs give the same tokenizer on any number of threads. With little text the
// vocabulary may end up smaller than asked for: compare tokenizer->vocab_size().
// Throws core::UserError for bad options (before reading) and for everything DocumentReader
// reports.
TrainedTokenizer train_tokenizer(
    const std::vector<std::filesystem::path>& inputs, const TrainTokenizerOptions& options,
    const std::function<void(const TrainTokenizerProgress&)>& progress = {});

}  // namespace unfold::data
