#include "gsa/insertion.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/error.h"

namespace unfold::gsa {
namespace {

// A level-0 gist inside the segment (the closing one is not counted).
struct Boundary {
  std::int64_t place;    // raw tokens before it
  std::int64_t decided;  // it exists in every prefix of more than this many raw tokens
};

constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();

// Finds the boundaries of a segment one by one.
//
// The end of a prefix counts as a word start, so a prefix that ends while a boundary still looks
// for a word start has no boundary there: its last chunk reaches to its end. Hence `decided`: the
// place itself when a word starts there, the end of the look-ahead when the word is split.
// Both only grow along the segment, since the look-ahead, c / 2, is shorter than a chunk.
class BoundaryFinder {
 public:
  BoundaryFinder(std::int64_t n, std::span<const std::uint8_t> starts_word,
                 const GistConfig& config)
      : n_(n),
        starts_word_(starts_word),
        chunk_(config.chunks[0]),
        max_shift_(config.rule == InsertionRule::word ? chunk_ / 2 : 0),
        by_word_(config.rule == InsertionRule::word),
        last_(std::min(config.sinks, n)) {}

  // The next boundary; place == kNone when there is none left.
  Boundary next() {
    if (n_ - last_ <= chunk_) return {kNone, kNone};
    const std::int64_t target = last_ + chunk_;
    if (!by_word_) return at(target, target);
    for (std::int64_t place = target; place <= target + max_shift_; ++place) {
      if (place == n_) return {kNone, kNone};
      if (starts_word_[static_cast<std::size_t>(place)] != 0) return at(place, place);
    }
    return at(target, target + max_shift_);
  }

 private:
  Boundary at(std::int64_t place, std::int64_t decided) {
    last_ = place;
    return {place, decided};
  }

  std::int64_t n_;
  std::span<const std::uint8_t> starts_word_;
  std::int64_t chunk_;
  std::int64_t max_shift_;
  bool by_word_;
  std::int64_t last_;  // where counting restarts: the sinks' end, then the previous boundary
};

void check_input(std::int64_t n, std::span<const std::uint8_t> starts_word,
                 const GistConfig& config) {
  validate(config);
  core::check(n >= 0 && n <= std::numeric_limits<std::int32_t>::max(), "insertion",
              "a segment of {} tokens", n);
  core::check(config.levels() == 0 || config.rule == InsertionRule::count ||
                  static_cast<std::int64_t>(starts_word.size()) >= n,
              "insertion", "word starts of {} tokens for a segment of {}", starts_word.size(), n);
}

// Gists of all levels in a closed segment of `chunks` > 0 level-0 gists. Every m-th lower gist but
// the last gets a higher one, and one closes the level: ceil(lower / m).
std::int64_t count_gists(std::int64_t chunks, const GistConfig& config) {
  std::int64_t total = chunks;
  std::int64_t lower = chunks;
  for (int l = 1; l < config.levels(); ++l) {
    const std::int64_t group = config.chunks[static_cast<std::size_t>(l)];
    lower = (lower - 1) / group + 1;
    total += lower;
  }
  return total;
}

}  // namespace

std::vector<Element> insert_gists(std::int64_t n, std::span<const std::uint8_t> starts_word,
                                  const GistConfig& config) {
  check_input(n, starts_word, config);
  std::vector<Element> elements;
  if (n == 0) return elements;
  std::int32_t raw = 0;
  const auto append_raw_until = [&](std::int64_t end) {
    for (; raw < end; ++raw) elements.push_back({raw, -1});
  };
  if (config.levels() == 0) {
    append_raw_until(n);
    return elements;
  }

  BoundaryFinder boundaries(n, starts_word, config);
  std::array<std::int64_t, kMaxLevels> pending{};  // level-l gists not yet covered by a higher one
  for (std::int64_t place = boundaries.next().place; place != kNone;
       place = boundaries.next().place) {
    append_raw_until(place);
    for (int l = 0; l < config.levels(); ++l) {
      elements.push_back({-1, static_cast<std::int8_t>(l)});
      if (l + 1 == config.levels()) break;
      const auto slot = static_cast<std::size_t>(l);
      if (++pending[slot] < config.chunks[slot + 1]) break;
      pending[slot] = 0;
    }
  }
  append_raw_until(n);
  for (int l = 0; l < config.levels(); ++l) elements.push_back({-1, static_cast<std::int8_t>(l)});
  return elements;
}

std::int64_t longest_prefix(std::int64_t n, std::span<const std::uint8_t> starts_word,
                            const GistConfig& config, std::int64_t max_elements) {
  check_input(n, starts_word, config);
  if (config.levels() == 0) return std::clamp<std::int64_t>(max_elements, 0, n);
  BoundaryFinder boundaries(n, starts_word, config);
  std::int64_t longest = 0;
  for (std::int64_t chunks = 1; longest < n; ++chunks) {
    // Prefixes longer than `longest` and up to this boundary's decision have `chunks` gists.
    const std::int64_t room = max_elements - count_gists(chunks, config);
    if (room <= longest) break;
    const std::int64_t until = std::min(n, boundaries.next().decided);
    longest = std::min(room, until);
    if (room <= until) break;
  }
  return longest;
}

bool starts_word(std::string_view decoded) {
  constexpr std::string_view kOpeners = " \t\n\r.,;:!?-()[]{}\"'";
  constexpr std::string_view kEmDash = "\xe2\x80\x94";
  return decoded.empty() || kOpeners.find(decoded.front()) != std::string_view::npos ||
         decoded.starts_with(kEmDash);
}

}  // namespace unfold::gsa
