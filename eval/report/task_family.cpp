#include "eval/report/task_family.h"

#include <algorithm>
#include <array>

#include "eval/report/metric_style.h"

namespace unfold::eval {
namespace {

constexpr std::array<std::string_view, 11> kProbes = {
    "probe",        "probes",         "recall",     "passkey",
    "needle",       "multikey",       "multivalue", "variable_tracking",
    "common_words", "qa_distractors", "ruler"};
constexpr std::array<std::string_view, 5> kLanguage = {"lambada", "perplexity", "val",
                                                       "bits_per_byte", "lm"};

// Groups that are named by the heading of their table.
constexpr std::array<std::string_view, 5> kFamilyGroups = {"longbench", "longbench_e", "rag",
                                                           "probe", "probes"};

// The name up to the first character that is not part of a word: "needle.4096" -> "needle".
std::string_view first_word(std::string_view task) {
  return task.substr(0, task.find_first_of(".@/:-"));
}

template <typename Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Family family_of(std::string_view task, std::string_view metric) {
  const std::string_view word = first_word(task);
  if (word == "longbench") return Family::longbench;
  if (word == "longbench_e") return Family::longbench_e;
  if (word == "rag") return Family::rag;
  if (word == "answers") return Family::answers;
  if (contains(kLanguage, word)) return Family::language;
  if (contains(kProbes, word)) return Family::probes;
  if (metric == "loss" || metric == "bits_per_byte" || metric == "perplexity" || metric == "nll") {
    return Family::language;
  }
  return Family::other;
}

std::string_view family_title(Family family) {
  switch (family) {
    case Family::longbench:
      return "LongBench";
    case Family::longbench_e:
      return "LongBench-E";
    case Family::rag:
      return "Retrieval-augmented answers";
    case Family::answers:
      return "Held-out records";
    case Family::probes:
      return "Probes";
    case Family::language:
      return "Language modelling";
    case Family::other:
      break;
  }
  return "Other tasks";
}

std::string_view short_title(Family family) {
  return family == Family::rag ? "RAG" : family_title(family);
}

std::string_view group_of(std::string_view task) {
  const std::size_t dot = task.find('.');
  return dot == std::string_view::npos ? std::string_view() : task.substr(0, dot);
}

std::string_view short_task(std::string_view task) {
  const std::size_t dot = task.find('.');
  if (dot == std::string_view::npos || dot + 1 == task.size()) return task;
  return contains(kFamilyGroups, task.substr(0, dot)) ? task.substr(dot + 1) : task;
}

}  // namespace unfold::eval
