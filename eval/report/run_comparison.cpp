#include "eval/report/run_comparison.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "core/error.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;

// The last `parts` names of a path: ("runs/a/demo", 2) -> "a/demo".
std::string path_end(const fs::path& path, std::size_t parts) {
  std::vector<std::string> names;
  for (const fs::path& part : path) {
    if (!part.empty() && part != path.root_directory()) names.push_back(part.string());
  }
  std::string end;
  for (std::size_t i = names.size() - std::min(parts, names.size()); i < names.size(); ++i) {
    end += (end.empty() ? "" : "/") + names[i];
  }
  return end;
}

void make_names_unique(std::vector<RunRecord>& runs) {
  std::map<std::string, std::vector<RunRecord*>> by_name;
  for (RunRecord& run : runs) by_name[run.name].push_back(&run);
  for (auto& [name, alike] : by_name) {
    if (alike.size() < 2) continue;
    constexpr std::size_t kMostParts = 6;
    for (std::size_t parts = 2; parts <= kMostParts; ++parts) {
      std::set<std::string> names;
      for (RunRecord* run : alike) names.insert(run->name = path_end(run->path, parts));
      if (names.size() == alike.size()) break;
    }
  }
  std::set<std::string> used;
  for (RunRecord& run : runs) {
    const std::string name = run.name;
    for (int copy = 2; !used.insert(run.name).second; ++copy) {
      run.name = fmt::format("{} ({})", name, copy);
    }
  }
}

std::vector<std::string> methods_of(const std::vector<RunRecord>& runs) {
  std::vector<std::string> methods;
  std::set<std::string> seen;
  const auto add = [&](const std::string& method) {
    if (seen.insert(method).second) methods.push_back(method);
  };
  for (const RunRecord& run : runs) {
    for (const ValidationCurve& curve : run.history.validations) add(curve.visibility);
    if (!run.results) continue;
    for (const ResultRow& row : run.results->rows) add(row.method);
  }
  return methods;
}

std::vector<double> ratios_of(const std::vector<RunRecord>& runs) {
  std::set<double> ratios;
  for (const RunRecord& run : runs) {
    if (!run.results) continue;
    for (const ResultRow& row : run.results->rows) {
      if (std::isfinite(row.ratio) && row.ratio != 1 && !reads_everything(row.method)) {
        ratios.insert(row.ratio);
      }
    }
  }
  if (ratios.empty()) ratios.insert(1);
  return {ratios.begin(), ratios.end()};
}

}  // namespace

bool RunComparison::evaluated() const {
  return std::any_of(runs.begin(), runs.end(), [](const RunRecord& run) {
    return run.results && !run.results->rows.empty();
  });
}

std::string RunComparison::label(std::size_t run) const {
  if (runs.size() > 26) return fmt::format("{}", run + 1);
  return std::string(1, static_cast<char>('A' + run));
}

RunComparison compare_runs(std::vector<RunRecord> runs) {
  core::check(!runs.empty(), "report", "no run to report on");
  make_names_unique(runs);
  RunComparison comparison;
  comparison.palette = MethodPalette(methods_of(runs));
  comparison.ratios = ratios_of(runs);
  if (comparison.ratios.size() > kMostRatios) {
    comparison.ratios_left_out = comparison.ratios.size() - kMostRatios;
    comparison.ratios.resize(kMostRatios);
  }
  comparison.runs = std::move(runs);
  return comparison;
}

}  // namespace unfold::eval
