#include "eval/metrics/edit_similarity.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>
#include <vector>

#include "eval/metrics/python_text.h"

namespace unfold::eval {
namespace {

constexpr std::size_t kLongText = 200;  // from here on popular characters begin no match

struct Block {
  std::size_t a = 0;  // begin in a and in b
  std::size_t b = 0;
  std::size_t size = 0;
};

struct Region {
  std::size_t a_begin, a_end, b_begin, b_end;
};

class Matcher {
 public:
  Matcher(std::u32string_view a, std::u32string_view b)
      : a_(a), b_(b), before_(b.size() + 1, 0), now_(b.size() + 1, 0) {
    for (std::size_t j = 0; j < b.size(); ++j) places_[b[j]].push_back(j);
    if (b.size() < kLongText) return;
    const std::size_t most = b.size() / 100 + 1;
    std::erase_if(places_, [most](const auto& entry) { return entry.second.size() > most; });
  }

  std::int64_t matches() {
    std::int64_t total = 0;
    std::vector<Region> regions = {{0, a_.size(), 0, b_.size()}};
    while (!regions.empty()) {
      const Region region = regions.back();
      regions.pop_back();
      const Block block = longest(region);
      if (block.size == 0) continue;
      total += static_cast<std::int64_t>(block.size);
      const std::size_t a_end = block.a + block.size;
      const std::size_t b_end = block.b + block.size;
      if (region.a_begin < block.a && region.b_begin < block.b) {
        regions.push_back({region.a_begin, block.a, region.b_begin, block.b});
      }
      if (a_end < region.a_end && b_end < region.b_end) {
        regions.push_back({a_end, region.a_end, b_end, region.b_end});
      }
    }
    return total;
  }

 private:
  // The longest run; of equally long ones the first in a, then the first in b.
  Block longest(const Region& region) {
    Block best = {region.a_begin, region.b_begin, 0};
    // before_[j + 1]: length of the run that ends with the previous character of a and b[j].
    for (std::size_t i = region.a_begin; i < region.a_end; ++i) {
      const auto found = places_.find(a_[i]);
      if (found != places_.end()) {
        const std::vector<std::size_t>& places = found->second;
        for (auto j = std::lower_bound(places.begin(), places.end(), region.b_begin);
             j != places.end() && *j < region.b_end; ++j) {
          const std::size_t size = before_[*j] + 1;
          now_[*j + 1] = size;
          now_written_.push_back(*j + 1);
          if (size > best.size) best = {i + 1 - size, *j + 1 - size, size};
        }
      }
      forget(before_, before_written_);
      before_.swap(now_);
      before_written_.swap(now_written_);
    }
    forget(before_, before_written_);
    while (best.a > region.a_begin && best.b > region.b_begin && a_[best.a - 1] == b_[best.b - 1]) {
      --best.a, --best.b, ++best.size;
    }
    while (best.a + best.size < region.a_end && best.b + best.size < region.b_end &&
           a_[best.a + best.size] == b_[best.b + best.size]) {
      ++best.size;
    }
    return best;
  }

  static void forget(std::vector<std::size_t>& sizes, std::vector<std::size_t>& written) {
    for (const std::size_t j : written) sizes[j] = 0;
    written.clear();
  }

  std::u32string_view a_;
  std::u32string_view b_;
  std::unordered_map<char32_t, std::vector<std::size_t>> places_;  // of characters in b, rising
  std::vector<std::size_t> before_, now_;                          // zero but where written
  std::vector<std::size_t> before_written_, now_written_;
};

bool is_code(std::u32string_view line) {
  return line.find(U'`') == line.npos && line.find(U'#') == line.npos &&
         line.find(U"//") == line.npos;
}

}  // namespace

std::int64_t matching_characters(std::u32string_view a, std::u32string_view b) {
  return Matcher(a, b).matches();
}

int similarity_percent(std::u32string_view a, std::u32string_view b) {
  if (a == b) return 100;
  if (a.empty() || b.empty()) return 0;
  const double ratio = 2.0 * static_cast<double>(matching_characters(a, b)) /
                       static_cast<double>(a.size() + b.size());
  return static_cast<int>(std::nearbyint(100 * ratio));
}

double code_similarity(std::string_view prediction, std::string_view answer) {
  const std::u32string text = to_code_points(prediction);
  const std::size_t begin = std::min(text.find_first_not_of(U'\n'), text.size());
  const auto lines = split_at(std::u32string_view(text).substr(begin), U'\n');
  const auto line = std::find_if(lines.begin(), lines.end(), is_code);
  const std::u32string_view code = line == lines.end() ? std::u32string_view() : *line;
  return similarity_percent(code, to_code_points(answer)) / 100.0;
}

}  // namespace unfold::eval
