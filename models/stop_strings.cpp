#include "models/stop_strings.h"

#include <algorithm>

#include "core/error.h"

namespace unfold::models {

StopStrings::StopStrings(const std::vector<std::string>& stop) : stop_(stop) {
  for (const std::string& one : stop) {
    core::check(!one.empty(), "stop", "an empty stop string");
    longest_ = std::max(longest_, one.size());
  }
}

std::size_t StopStrings::push(std::string_view text) {
  if (stop_.empty()) return 0;
  tail_ += text;
  std::size_t earliest = std::string::npos;
  for (const std::string& one : stop_) earliest = std::min(earliest, tail_.find(one));
  if (earliest != std::string::npos) return tail_.size() - earliest;
  if (tail_.size() >= longest_) tail_.erase(0, tail_.size() - (longest_ - 1));
  return 0;
}

}  // namespace unfold::models
