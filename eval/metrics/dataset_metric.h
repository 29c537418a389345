// How the answers of a data set are scored: LongBench v1 by its name (THUDM/LongBench, eval.py),
// question answering over documents by SQuAD's and "Lost in the Middle"'s metrics.
//
//     const DatasetMetric metric = DatasetMetric::of("hotpotqa");
//     const double score = metric.score({"Paris.", {"Paris", "City of Paris"}});
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace unfold::eval {

struct ScoredSample {
  std::string pred;
  std::vector<std::string> answers = {};      // any of them is right
  std::vector<std::string> all_classes = {};  // of a classification, else empty
  std::int64_t length = 0;                    // of the context, as LongBench counts it (words)
};

class DatasetMetric {
 public:
  // The main metric of a data set. Names are the 21 of LongBench v1, also with "longbench." or
  // "longbench_e." before them, and "rag" or "rag.NAME". The Chinese sets read jieba's files at
  // once: from the folder, or where load_chinese_words() finds them. Throws core::UserError: an
  // unknown name; Chinese files that are missing or broken.
  static DatasetMetric of(std::string_view dataset, const std::filesystem::path& jieba = {});

  // All metrics of a data set, the main one first: one for LongBench; subspan_em, em and f1 for
  // rag.
  static std::vector<DatasetMetric> all_of(std::string_view dataset,
                                           const std::filesystem::path& jieba = {});

  // "f1", "rouge_l", "accuracy", "retrieval", "count", "edit_similarity", "subspan_em", "em".
  std::string_view name() const { return name_; }

  // In [0, 1]: the best over the answers, 0 without any; of the first line of the prediction for
  // trec, triviaqa, samsum and lsht. Throws core::UserError where the official code fails: no
  // classes, an answer that names no paragraph.
  double score(const ScoredSample& sample) const;

 private:
  // Of a prediction, one answer and the classes.
  using Score =
      std::function<double(std::string_view, std::string_view, std::span<const std::string>)>;

  DatasetMetric(std::string_view name, bool first_line, Score score)
      : name_(name), first_line_(first_line), score_(std::move(score)) {}

  std::string_view name_;
  bool first_line_;
  Score score_;
};

// The 21 data sets of LongBench v1, in the order of its paper's table.
std::span<const std::string_view> longbench_datasets();

}  // namespace unfold::eval
