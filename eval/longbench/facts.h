// The datasets of LongBench v1 (Bai et al. 2024), and what the official evaluation does for each.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace unfold::eval {

struct LongBenchFacts {
  std::string_view name;
  bool english_e = false;     // has a set in LongBench-E
  bool chat = true;           // asked in the chat template; few-shot and code tasks are not
  bool ends_at_line = false;  // samsum: the answer is one line, and holds a token at least
};

// All 21, in the order of the official list.
std::span<const LongBenchFacts> longbench_facts();
// nullptr for an unknown name.
const LongBenchFacts* find_longbench_facts(std::string_view name);

}  // namespace unfold::eval
