// Corpus: text, Markdown and JSONL files become token shards.
//
// Streaming: memory does not grow with the input, only with the size of a shard. Documents are
// encoded by all cores and written in reading order, so that the shards do not depend on the number
// of threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "data/text.h"
#include "data/tokenizer/tokenizer.h"

namespace unfold::data {

struct CorpusOptions {
  std::int64_t shard_tokens = std::int64_t{1} << 23;  // a shard ends when it has so many
  int threads = 0;                                    // that encode; 0: one a core
  bool overwrite = false;                             // replace the shards of the output folder
  DocumentReaderOptions reader = {};                  // UTF-8 policy, field of JSONL records
};

struct CorpusProgress {
  std::int64_t bytes_done = 0;  // of the input files
  std::int64_t bytes_total = 0;
  std::int64_t tokens = 0;  // written so far
};

struct CorpusStats {
  std::int64_t documents = 0;
  std::int64_t tokens = 0;  // an eos for each document included
  std::int64_t bytes = 0;   // of text behind these tokens
  std::vector<std::filesystem::path> shards;
};

// Writes out_dir/shard-00000.h5, shard-00001.h5, ... and out_dir/tokenizer.json. Every document
// ends with the tokenizer's eos, and no document spans shards. The shards appear together when all
// text is tokenized; a failure leaves none of them behind.
//
// Throws core::UserError: shards in out_dir already (unless overwrite), a tokenizer.json of another
// tokenizer there (unless overwrite), an output folder that cannot be written, a full disk, and
// what DocumentReader reports about the text (missing or empty file, bad UTF-8, bad JSON).
// progress, if given, is called in this thread after every few hundred KB.
CorpusStats tokenize_corpus(const std::vector<std::filesystem::path>& inputs,
                            const Tokenizer& tokenizer, const std::filesystem::path& out_dir,
                            const CorpusOptions& options = {},
                            const std::function<void(const CorpusProgress&)>& progress = {});

}  // namespace unfold::data
