#include "eval/report/method_style.h"

#include <algorithm>
#include <array>

#include "eval/report/svg_plot.h"

namespace unfold::eval {
namespace {

constexpr std::array<std::string_view, 10> kKnown = {
    "full",   "gsa",       "h_gsa",  "gist_only", "mean_pool",
    "random", "streaming", "snapkv", "h2o",       "quest"};

}  // namespace

MethodPalette::MethodPalette(const std::vector<std::string>& names) {
  for (const std::string_view name : kKnown) rank_.emplace(name, rank_.size());
  for (const std::string& name : names) rank_.emplace(name, rank_.size());
}

std::size_t MethodPalette::rank(std::string_view method) const {
  const auto found = rank_.find(method);
  return found == rank_.end() ? rank_.size() : found->second;
}

int MethodPalette::color(std::string_view method) const {
  const std::size_t place = rank(method);
  return place == 0 || place == rank_.size() ? kNeutralColor : static_cast<int>(place) - 1;
}

Marker MethodPalette::marker(std::string_view method) const {
  const int place = color(method);
  return static_cast<Marker>(place < 0 ? 0 : place % kMarkers);
}

bool reads_everything(std::string_view method) {
  return method == "full" || method == "causal";
}

bool belongs_to_ratio(std::string_view method, double ratio, double shown) {
  return ratio == shown || ratio == 1 || reads_everything(method);
}

std::string reference_method(const std::vector<std::string>& names) {
  for (const char* name : {"gsa", "h_gsa"}) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return name;
  }
  return "";
}

}  // namespace unfold::eval
