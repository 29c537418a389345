// What a model answered to one sample of a task, as it is kept in a run:
//
//   RUN/predictions/METHOD@RATIO/TASK.jsonl     one line a sample, in the order of samples
//
//   {"pred": "...", "answers": ["..."], "all_classes": ["..."] or null, "length": N,
//    "id": "...", "index": i, "metric": "f1", "score": 0.42, "scores": {"f1": 0.42},
//    "attended": 310.5, "seconds": 0.2, "prompt_tokens": N, "new_tokens": N, "question": "...",
//    "tags": {"depth": 0.5}, "unfolded": [{"text": "...", "share": 0.8}]}
//
// The first four members are the format of LongBench, whose scorer reads such files; the others are
// ours. Files of other programs have the first four alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::eval {

// One measure of one sample: 0 .. 1.
struct SampleScore {
  std::string metric;  // "f1", "exact_match", ...
  double value = 0;
  bool operator==(const SampleScore&) const = default;
};

// A chunk of the context, and the share of the queries behind it that unfolded it: of all layers
// and key/value heads that select.
struct UnfoldedChunk {
  std::string text;
  double share = 0;
  bool operator==(const UnfoldedChunk&) const = default;
};

struct Prediction {
  std::string pred;  // valid UTF-8
  std::vector<std::string> answers;
  std::optional<std::vector<std::string>> all_classes;
  std::int64_t length =
      0;  // of the context, in the task's own unit (LongBench: words or characters)
  std::string id;
  std::int64_t index = 0;           // of the sample in its task
  std::vector<SampleScore> scores;  // the task's main metric first
  double attended = 0;  // mean keys read by a token behind the prompt, a layer and key/value head
  double seconds = 0;   // its share of the time of its batch: sums to the time of all
  std::int64_t prompt_tokens = 0;  // gists included
  // Chosen behind the prompt, an end of text included: all but the last were fed, and are the
  // queries that `attended` is the mean of.
  std::int64_t new_tokens = 0;
  std::string question;
  std::map<std::string, double> tags;
  std::vector<UnfoldedChunk> unfolded;  // the most unfolded first, at most 8
  bool operator==(const Prediction&) const = default;
};

// One line of the file, without its end.
std::string to_json_line(const Prediction& prediction);
// The inverse; `place` names file and line in errors. Throws core::UserError for anything that is
// not an object with "pred" and "answers", or has members of a wrong type. Unknown members are
// passed over.
Prediction parse_prediction(std::string_view line, std::string_view place);

}  // namespace unfold::eval
