#include "cli/config/nearest.h"

#include <algorithm>
#include <vector>

namespace unfold::cli {
namespace {

// Longer names are not typing mistakes, and the distance costs the product of the lengths.
constexpr std::size_t kLongestName = 64;

std::size_t tolerance(std::string_view name) {
  return std::max<std::size_t>(1, name.size() / 3);
}

std::string_view last_part(std::string_view key) {
  const std::size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Optimal string alignment: rows i-2, i-1 and i of the table.
  std::vector<std::size_t> two_back(b.size() + 1);
  std::vector<std::size_t> back(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(two_back, back);
    std::swap(back, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = back[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({back[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], two_back[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string nearest_name(std::string_view name, std::span<const std::string> candidates) {
  if (name.empty() || name.size() > kLongestName) return "";
  std::size_t best = tolerance(name) + 1;
  std::string found;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

std::string nearest_key(std::string_view key, std::span<const std::string> candidates) {
  if (key.empty() || key.size() > kLongestName) return "";
  const std::string_view leaf = last_part(key);
  std::size_t best = std::string_view::npos;
  std::string found;
  for (const std::string& candidate : candidates) {
    const std::size_t whole = edit_distance(key, candidate);
    const std::size_t part = edit_distance(leaf, last_part(candidate));
    if (whole > tolerance(key) && part > tolerance(leaf)) continue;
    // The right name in the wrong section: the section counts as one more edit.
    const std::size_t distance = std::min(whole, part + 1);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found;
}

}  // namespace unfold::cli
