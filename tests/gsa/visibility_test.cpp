#include "gsa/visibility.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/gsa/random_layout.h"

namespace unfold::gsa {
namespace {

using Levels = std::vector<std::int8_t>;

// The keys a query sees, as one character a key: x or a dot, up to the row's end.
std::string row_of(const Layout& layout, std::int64_t q, const GistConfig& config,
                   Visibility visibility) {
  const VisibilityCounts counts = count_row(layout, 0, config);
  std::string text;
  for (std::int64_t k = 0; k < layout.length; ++k) {
    text += visible(counts, q, k, config, visibility) ? 'x' : '.';
  }
  return text;
}

Layout one_document(const Levels& level, int levels) {
  return make_layout(1, static_cast<std::int64_t>(level.size()), levels, level,
                     std::vector<std::int32_t>(level.size(), 0));
}

// a b g c d g | e f g x | padding, P = 0, S = 1.
Layout two_documents() {
  return make_layout(1, 12, 1, Levels{-1, -1, 0, -1, -1, 0, -1, -1, 0, -1, -1, -1},
                     std::vector<std::int32_t>{0, 0, 0, 0, 0, 0, 1, 1, 1, 1, -1, -1});
}

TEST(Visibility, DocumentsAndPaddingAreSeparate) {
  const GistConfig config{.chunks = {2}, .sinks = 1, .previous_chunks = 0};
  const Layout layout = two_documents();
  EXPECT_EQ(row_of(layout, 4, config, Visibility::gist), "x.xxx.......");
  EXPECT_EQ(row_of(layout, 5, config, Visibility::gist), "x.xxxx......");
  EXPECT_EQ(row_of(layout, 6, config, Visibility::gist), "......x.....");
  EXPECT_EQ(row_of(layout, 9, config, Visibility::gist), "......x.xx..");
  EXPECT_EQ(row_of(layout, 11, config, Visibility::gist), "...........x");
}

TEST(Visibility, FullHidesGistsFromOthers) {
  const GistConfig config{.chunks = {2}, .sinks = 1, .previous_chunks = 0};
  const Layout layout = two_documents();
  EXPECT_EQ(row_of(layout, 4, config, Visibility::full), "xx.xx.......");
  EXPECT_EQ(row_of(layout, 5, config, Visibility::full), "xx.xxx......");
  EXPECT_EQ(row_of(layout, 9, config, Visibility::full), "......xx.x..");
  EXPECT_EQ(row_of(layout, 10, config, Visibility::full), "..........x.");
}

TEST(Visibility, CausalSeesTheWholeDocument) {
  const GistConfig config{.chunks = {2}, .sinks = 1, .previous_chunks = 0};
  const Layout layout = two_documents();
  EXPECT_EQ(row_of(layout, 5, config, Visibility::causal), "xxxxxx......");
  EXPECT_EQ(row_of(layout, 9, config, Visibility::causal), "......xxxx..");
}

TEST(Visibility, DocumentWithoutGistsIsCausal) {
  const GistConfig config{.chunks = {2, 2}, .sinks = 0, .previous_chunks = 0};
  EXPECT_EQ(row_of(one_document(Levels{-1, -1, -1, -1}, 2), 3, config, Visibility::gist), "xxxx");
  EXPECT_EQ(row_of(one_document(Levels{-1, -1, -1}, 0), 2, config, Visibility::gist), "xxx");
}

TEST(Visibility, SinksAreTheFirstTokensThatAreNotPadding) {
  // a g b c g x with S = 2: a and g, not a and b.
  const GistConfig config{.chunks = {2}, .sinks = 2, .previous_chunks = 0};
  EXPECT_EQ(row_of(one_document(Levels{-1, 0, -1, -1, 0, -1}, 1), 5, config, Visibility::gist),
            "xx..xx");
}

// Limit tests of METHOD.md section 7.
TEST(Visibility, ManyPreviousChunksMakeASingleLevelCausal) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const RandomLayoutOptions options{.rows = 1, .length = 60, .levels = 1};
    const Layout layout = random_layout(seed, options);
    const GistConfig config{.chunks = {2}, .sinks = 0, .previous_chunks = 60};
    for (std::int64_t q = 0; q < layout.length; ++q) {
      ASSERT_EQ(row_of(layout, q, config, Visibility::gist),
                row_of(layout, q, config, Visibility::causal));
    }
  }
}

TEST(Visibility, ALevelThatNeverClosesChangesNothing) {
  // Inside one open group, two levels and one level show raw tokens and gists the same keys.
  const Levels level{-1, -1, 0, -1, 0, -1, -1, -1, 0, -1, 0, -1};
  const GistConfig config{.chunks = {2}, .sinks = 1, .previous_chunks = 1};
  for (std::int64_t q = 0; q < static_cast<std::int64_t>(level.size()); ++q) {
    EXPECT_EQ(row_of(one_document(level, 2), q, config, Visibility::gist),
              row_of(one_document(level, 1), q, config, Visibility::gist));
  }
}

TEST(Visibility, RejectsPositionsOutsideTheRow) {
  const GistConfig config;
  const VisibilityCounts counts = count_row(two_documents(), 0, config);
  EXPECT_THROW(visible(counts, 12, 0, config, Visibility::gist), core::InternalError);
  EXPECT_THROW(visible(counts, 3, -1, config, Visibility::gist), core::InternalError);
  EXPECT_THROW(count_row(two_documents(), 1, config), core::InternalError);
}

}  // namespace
}  // namespace unfold::gsa
