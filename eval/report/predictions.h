// The predictions of an evaluation: RUN/predictions/METHOD@RATIO/TASK.jsonl, a line a sample.
//
//   {"pred": "...", "answers": ["..."], "all_classes": ..., "length": N,
//    "id": "...", "index": i, "metric": "f1", "score": 0.42, "scores": {"f1": 0.42, ...},
//    "attended": keys a query read,
//    "seconds": S, "prompt_tokens": N, "new_tokens": N, "question": "...",
//    "tags": {"depth": 0.5, "context": 4096, "gold": 3}, "unfolded": [{"text", "share"}, ...]}
//
// All but "pred" may be absent or of another type (files of other programs): such a value is then
// not known. Numbers are kept of every sample, texts of a few.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace unfold::eval {

struct UnfoldedText {
  std::string text;
  double share = 0;  // of the queries that unfolded it, 0..1; NaN: not known
};

// What a page shows of a sample. Long texts are clipped.
struct SampleText {
  std::string question;
  std::string prediction;
  std::vector<std::string> answers;
  std::size_t more_answers = 0;  // left out
  std::vector<UnfoldedText> unfolded;
};

// NaN: not known.
struct PredictedSample {
  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

  std::string id;                        // "id", else "#INDEX" of "index", else of the line
  std::size_t place = 0;                 // from 0, among the lines of the file
  double score = kUnknown;               // 0..1 for most metrics
  std::vector<double> more_scores = {};  // by PredictionFile::more_metrics; may be shorter
  double attended = kUnknown;
  double seconds = kUnknown;
  double prompt_tokens = kUnknown;
  double new_tokens = kUnknown;
  double depth = kUnknown;    // tags: where the needle lies, 0..1
  double context = kUnknown;  //       tokens of context
  double gold = kUnknown;     //       index of the gold document
  std::optional<SampleText> text;
};

struct PredictionFile {
  std::string task;
  std::string method;
  double ratio = 1;
  std::string metric = {};                     // of `score`; may be empty
  std::vector<std::string> more_metrics = {};  // that samples are scored by besides, at most 8
  std::vector<PredictedSample> samples = {};
};

struct Predictions {
  std::vector<PredictionFile> files;  // by folder and name
  std::int64_t unreadable_lines = 0;
  std::int64_t unreadable_files = 0;
  std::vector<std::string> problems;  // "FILE:LINE: what", the first few; paths from the run
  bool empty() const { return files.empty() && unreadable_files == 0; }
};

inline constexpr std::size_t kTextsPerTask = 12;  // samples with texts, spread evenly

// Reads what there is below `run`/predictions; without that folder, nothing. The same places of a
// task's files keep their texts, so that methods can be compared on one sample. A line that is no
// prediction is counted and left out; so is a last line torn by a kill, and a file that cannot be
// read. A folder without "@RATIO" in its name is a method at ratio 1.
Predictions read_run_predictions(const std::filesystem::path& run);

}  // namespace unfold::eval
