// The facts and sentences that open every form of a report.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "eval/report/run_comparison.h"

namespace unfold::eval {

// One figure worth a card.
struct KeyFigure {
  std::string label;   // "bits per byte"
  std::string value;   // "1.978"
  std::string detail;  // "full attention 1.921"; may be empty
};

// A paragraph in plain English: the model, the training, the outcome. Says only what the run holds.
std::string summary_text(const RunRecord& record);

std::vector<KeyFigure> key_figures(const RunRecord& record);

// The scores of a run on families of tasks (LongBench, RAG, probes), unfolding at its lowest ratio
// beside full attention; only where both were measured.
std::vector<KeyFigure> score_figures(const RunComparison& comparison, std::size_t run);

// What each method of the run saw, in one sentence; methods without a description are left out.
struct MethodNote {
  std::string method;
  std::string text;
};
std::vector<MethodNote> method_notes(const RunRecord& record);

}  // namespace unfold::eval
