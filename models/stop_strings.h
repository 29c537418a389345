// Watches generated text for stop strings.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace unfold::models {

class StopStrings {
 public:
  // stop: none of them empty; outlives this.
  explicit StopStrings(const std::vector<std::string>& stop);

  // Takes the next piece of text. When it completes a stop string, returns the bytes from the
  // beginning of the earliest one to the end of the text so far; else 0.
  std::size_t push(std::string_view text);

 private:
  const std::vector<std::string>& stop_;
  std::size_t longest_ = 0;
  std::string tail_;  // what a stop string could still begin in
};

}  // namespace unfold::models
