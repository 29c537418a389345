#include "eval/metrics/dataset_metric.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include "core/error.h"
#include "eval/metrics/answer_metrics.h"
#include "eval/metrics/chinese_words.h"
#include "eval/metrics/edit_similarity.h"
#include "eval/metrics/label_metrics.h"
#include "eval/metrics/rouge.h"

namespace unfold::eval {
namespace {

constexpr std::string_view kTag = "metrics";

enum class Metric {
  f1,
  chinese_f1,
  rouge,
  chinese_rouge,
  classes,
  paragraph,
  chinese_paragraph,
  count,
  code,
};

struct Dataset {
  std::string_view name;
  Metric metric;
  bool first_line = false;
};

constexpr Dataset kDatasets[] = {
    {"narrativeqa", Metric::f1},
    {"qasper", Metric::f1},
    {"multifieldqa_en", Metric::f1},
    {"multifieldqa_zh", Metric::chinese_f1},
    {"hotpotqa", Metric::f1},
    {"2wikimqa", Metric::f1},
    {"musique", Metric::f1},
    {"dureader", Metric::chinese_rouge},
    {"gov_report", Metric::rouge},
    {"qmsum", Metric::rouge},
    {"multi_news", Metric::rouge},
    {"vcsum", Metric::chinese_rouge},
    {"trec", Metric::classes, true},
    {"triviaqa", Metric::f1, true},
    {"samsum", Metric::rouge, true},
    {"lsht", Metric::classes, true},
    {"passage_count", Metric::count},
    {"passage_retrieval_en", Metric::paragraph},
    {"passage_retrieval_zh", Metric::chinese_paragraph},
    {"lcc", Metric::code},
    {"repobench-p", Metric::code},
};

std::string_view name_of(Metric metric) {
  switch (metric) {
    case Metric::f1:
    case Metric::chinese_f1:
      return "f1";
    case Metric::rouge:
    case Metric::chinese_rouge:
      return "rouge_l";
    case Metric::classes:
      return "accuracy";
    case Metric::paragraph:
    case Metric::chinese_paragraph:
      return "retrieval";
    case Metric::count:
      return "count";
    case Metric::code:
      return "edit_similarity";
  }
  return {};
}

using Classes = std::span<const std::string>;
using Score = std::function<double(std::string_view, std::string_view, Classes)>;

Score plain(double (*score)(std::string_view, std::string_view)) {
  return [score](std::string_view pred, std::string_view answer, Classes) {
    return score(pred, answer);
  };
}

Score chinese(double (*score)(const ChineseWords&, std::string_view, std::string_view),
              const std::filesystem::path& jieba) {
  return
      [score, words = load_chinese_words(jieba)](std::string_view pred, std::string_view answer,
                                                 Classes) { return score(*words, pred, answer); };
}

double score_of_classes(std::string_view pred, std::string_view answer, Classes classes) {
  core::require(!classes.empty(), kTag,
                "a classification needs its classes: expected a list of texts in all_classes");
  return class_score(pred, answer, classes);
}

Score score_of(Metric metric, const std::filesystem::path& jieba) {
  switch (metric) {
    case Metric::f1:
      return plain(answer_f1);
    case Metric::chinese_f1:
      return chinese(chinese_answer_f1, jieba);
    case Metric::rouge:
      return plain(rouge_l);
    case Metric::chinese_rouge:
      return chinese(chinese_rouge_l, jieba);
    case Metric::classes:
      return score_of_classes;
    case Metric::paragraph:
      return plain(paragraph_score);
    case Metric::chinese_paragraph:
      return plain(chinese_paragraph_score);
    case Metric::count:
      return plain(count_score);
    case Metric::code:
      return plain(code_similarity);
  }
  return {};
}

// prediction.lstrip('\n').split('\n')[0].
std::string_view first_line_of(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  return text.substr(0, text.find('\n'));
}

}  // namespace

DatasetMetric DatasetMetric::of(std::string_view dataset, const std::filesystem::path& jieba) {
  return all_of(dataset, jieba).front();
}

std::vector<DatasetMetric> DatasetMetric::all_of(std::string_view dataset,
                                                 const std::filesystem::path& jieba) {
  std::vector<DatasetMetric> metrics;
  if (dataset == "rag" || dataset.starts_with("rag.")) {
    metrics.push_back({"subspan_em", false, plain(subspan_match)});
    metrics.push_back({"em", false, plain(exact_match)});
    metrics.push_back({"f1", false, plain(answer_f1)});
    return metrics;
  }
  std::string_view name = dataset;
  for (const std::string_view prefix : {"longbench.", "longbench_e."}) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  }
  const auto found = std::find_if(std::begin(kDatasets), std::end(kDatasets),
                                  [name](const Dataset& one) { return one.name == name; });
  if (found == std::end(kDatasets)) {
    std::string known;
    for (const Dataset& one : kDatasets) known += std::string(one.name) + ", ";
    core::fail(kTag, "{}: unknown data set: known are {}rag and rag.NAME", dataset, known);
  }
  metrics.push_back({name_of(found->metric), found->first_line, score_of(found->metric, jieba)});
  return metrics;
}

double DatasetMetric::score(const ScoredSample& sample) const {
  const std::string_view pred = first_line_ ? first_line_of(sample.pred) : sample.pred;
  double best = 0;
  for (const std::string& answer : sample.answers) {
    best = std::max(best, score_(pred, answer, sample.all_classes));
  }
  return best;
}

std::span<const std::string_view> longbench_datasets() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> list;
    for (const Dataset& one : kDatasets) list.push_back(one.name);
    return list;
  }();
  return names;
}

}  // namespace unfold::eval
