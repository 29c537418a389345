#include "eval/longbench/facts.h"

#include <array>

namespace unfold::eval {
namespace {

constexpr std::array<LongBenchFacts, 21> kDatasets = {{
    {"narrativeqa"},
    {"qasper", true},
    {"multifieldqa_en", true},
    {"multifieldqa_zh"},
    {"hotpotqa", true},
    {"2wikimqa", true},
    {"musique"},
    {"dureader"},
    {"gov_report", true},
    {"qmsum"},
    {"multi_news", true},
    {"vcsum"},
    {"trec", true, false},
    {"triviaqa", true, false},
    {"samsum", true, false, true},
    {"lsht", false, false},
    {"passage_count", true},
    {"passage_retrieval_en", true},
    {"passage_retrieval_zh"},
    {"lcc", true, false},
    {"repobench-p", true, false},
}};

}  // namespace

std::span<const LongBenchFacts> longbench_facts() {
  return kDatasets;
}

const LongBenchFacts* find_longbench_facts(std::string_view name) {
  for (const LongBenchFacts& dataset : kDatasets) {
    if (dataset.name == name) return &dataset;
  }
  return nullptr;
}

}  // namespace unfold::eval
