// Timing on a machine that others use too: the fastest of several repetitions, and things to be
// compared take turns.
#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>
#include <vector>

namespace unfold::cli::bench {

// Processor time of the process, over all threads: what a busy machine disturbs less.
inline double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <typename Action>
double seconds_of(Action&& action) {
  const auto begin = std::chrono::steady_clock::now();
  std::forward<Action>(action)();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The middle value; the mean of the two in the middle of an even count. values must not be empty.
inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// The fastest time of each action, in seconds. Every round runs all of them once, after a round
// that is not counted; rounds go on for `seconds` and are at least `least`.
template <typename... Actions>
std::vector<double> fastest_of(double seconds, int least, Actions&&... actions) {
  (actions(), ...);
  std::vector<double> best(sizeof...(actions), std::numeric_limits<double>::infinity());
  double total = 0;
  for (int round = 0; round < least || total < seconds; ++round) {
    std::size_t i = 0;
    const auto run = [&](auto&& action) {
      const double taken = seconds_of(action);
      best[i] = std::min(best[i], taken);
      total += taken;
      ++i;
    };
    (run(actions), ...);
  }
  return best;
}

}  // namespace unfold::cli::bench
