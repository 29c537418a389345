// How many cases a test over many random or listed ones runs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

namespace unfold::test {

// All of them, or the first UNFOLD_TEST_CASES: for tools under which a kernel takes hundreds of
// times as long (compute-sanitizer, scripts/gpu-check.sh). What such a test says of all its cases
// together, as how many of them were of a kind, holds only where every_case().
inline std::uint64_t case_count(std::uint64_t all) {
  const char* const most = std::getenv("UNFOLD_TEST_CASES");
  return most == nullptr ? all : std::min<std::uint64_t>(all, std::strtoull(most, nullptr, 10));
}

inline bool every_case() {
  return std::getenv("UNFOLD_TEST_CASES") == nullptr;
}

template <typename T, std::size_t N>
std::span<const T> cases(const T (&all)[N]) {
  return std::span(all).first(case_count(N));
}

}  // namespace unfold::test
