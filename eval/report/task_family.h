// Families of tasks: what belongs together in a table.
#pragma once

#include <string>
#include <string_view>

namespace unfold::eval {

// In the order of reports.
enum class Family { longbench, longbench_e, rag, answers, probes, language, other };
inline constexpr int kFamilies = 7;

// By the task's name ("longbench.hotpotqa", "rag", "needle", "lambada", "perplexity"), and by its
// metric for names that are not known: what is measured in loss, bits or perplexity is language
// modelling.
Family family_of(std::string_view task, std::string_view metric);

// "LongBench", "RAG", ...
std::string_view family_title(Family family);
// The same where there is little room: "RAG".
std::string_view short_title(Family family);

// The task without the name of its family: "longbench.hotpotqa" -> "hotpotqa".
std::string_view short_task(std::string_view task);

// The group a task belongs to: "longbench.hotpotqa" -> "longbench"; empty when it has none. A row
// named as its group holds the mean over it.
std::string_view group_of(std::string_view task);

}  // namespace unfold::eval
