// Synthetic recall tasks: readable text with facts that cannot be guessed, and questions on them.
//
//   recall    "Facts: Marlo tulip river, Besta stone lamp, ..." and for every fact a question that
//             ends with its key, "Recall Marlo", so that the answer is one induction step away;
//             compact: "Facts Marlo tulip river Besta stone lamp ..." and " ? Marlo"
//   passkey   filler text with "The pass key is 48213." at one of 20 depths
//   multikey  filler text with many "The code of amber falcon is 48213."; every code is asked
//
// Document i is a pure function of (task, seed, split, i) and the sizes asked for, the same on
// every platform. The train and the eval split draw from different streams.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/records/record.h"

namespace unfold::data {

inline constexpr std::int64_t kMostSyntheticContext = 10'000'000;

enum class SyntheticTask : std::uint8_t { recall, passkey, multikey };
enum class SyntheticSplit : std::uint8_t { train, eval };
// How the recall task is written. compact: nothing but words with a space before each, which a
// small BPE tokenizer turns into one token each; so facts have one length and chunks can hold a
// whole number of them.
enum class SyntheticStyle : std::uint8_t { prose, compact };

// "recall", ...
std::string_view name_of(SyntheticTask task);
// The inverse; throws core::UserError that lists the names.
SyntheticTask synthetic_task_from_name(std::string_view name);

struct SyntheticOptions {
  SyntheticTask task = SyntheticTask::recall;
  SyntheticSplit split = SyntheticSplit::train;
  std::uint64_t seed = 0;
  // The context is filled up to this size, and never larger, as `measure` counts it.
  std::int64_t context = 2048;
  // Size of a piece of text, e.g. its tokens; the sizes of pieces are added up. Empty: bytes.
  std::function<std::int64_t(std::string_view)> measure = {};
  // recall, multikey: most different facts a document; 0: as many as the context and the list of
  // keys allow (recall), as half of the context holds (multikey).
  std::int64_t facts = 0;
  // recall: least different facts; each document draws its number between the two and repeats its
  // facts to fill the context. Few different facts are what a small model learns first. 0: no draw.
  std::int64_t min_facts = 0;
  // recall: words a value.
  std::int64_t value_words = 2;
  SyntheticStyle style = SyntheticStyle::prose;
  // recall: different keys and different words of values to draw from; 0: all there are.
  std::int64_t keys = 0;
  std::int64_t values = 0;
  // recall: questions a document, facts asked again where there are fewer; 0: every fact once.
  std::int64_t questions = 0;
};

// Words of a text, at least 1: a SyntheticOptions::measure.
std::int64_t count_words(std::string_view text);

// Most different facts of document `index` of `count` under a curriculum: from 2 on it grows
// linearly to `facts` over the first `fraction` of the documents, 0 < fraction <= 1. (METHOD.md
// section 13 begins at 4; from 2 on, more seeds learned: docs/log-2026-11-28.md.)
std::int64_t curriculum_facts(std::int64_t facts, double fraction, std::int64_t index,
                              std::int64_t count);

// A context (in prose it ends with a line end) and the questions on it, in random order.
struct SyntheticDocument {
  std::string context;
  std::vector<Question> questions;
  bool operator==(const SyntheticDocument&) const = default;
};

// One question on one context, for evaluation: a model that reads context + question should
// continue with " " + answer + "\n".
struct RecallSample {
  std::string context, question, answer;
  bool operator==(const RecallSample&) const = default;
};

// Throws core::UserError when the context is too small for a single fact, or options make no sense.
SyntheticDocument make_document(const SyntheticOptions& options, std::int64_t index);

// The document as training text: its context, then a line for each question with its answer.
std::string training_text(const SyntheticDocument& document);

// The first `count` samples: document i with its first question.
std::vector<RecallSample> make_samples(const SyntheticOptions& options, std::int64_t count);

enum class SyntheticFormat : std::uint8_t { text, sft };

struct SyntheticCorpusOptions {
  std::int64_t count = 0;  // documents
  // text: {"text": training_text} a line; sft: a record a line (data/records/record.h).
  SyntheticFormat format = SyntheticFormat::text;
  // recall: fraction of curriculum_facts(); 0: none. Needs SyntheticOptions::facts. The documents
  // are then to be read in their order.
  double curriculum = 0;
  bool overwrite = false;
};

// Writes documents 0 .. count-1 as JSONL; the file appears when complete. Throws core::UserError
// for options that make no sense, an existing file (unless overwrite) or a full disk. progress, if
// given, is called behind every document with their number; what it throws ends the work, and the
// file does not appear.
void write_synthetic_corpus(const std::filesystem::path& file, SyntheticOptions options,
                            const SyntheticCorpusOptions& corpus,
                            const std::function<void(std::int64_t)>& progress = {});

}  // namespace unfold::data
