#include "models/streaming_insertion.h"

#include <gtest/gtest.h>

#include "core/random.h"
#include "gsa/insertion.h"

namespace unfold::models {
namespace {

// Levels of n tokens with gists as the stream puts them.
std::vector<int> streamed(const gsa::GistConfig& gist, const std::vector<bool>& starts) {
  StreamingInsertion insertion(gist);
  std::vector<int> levels;
  for (const bool start : starts) {
    for (const std::int8_t level : insertion.before_token(start)) levels.push_back(level);
    levels.push_back(-1);
  }
  return levels;
}

TEST(StreamingInsertion, ByCountEqualsInsertionIntoKnownText) {
  for (const auto& chunks : std::vector<std::vector<std::int64_t>>{{1}, {3}, {2, 2}, {2, 3, 2}}) {
    const gsa::GistConfig gist = {.chunks = chunks, .sinks = 0, .rule = gsa::InsertionRule::count};
    const std::int64_t n = 41;
    std::vector<int> expected;
    for (const gsa::Element& element : gsa::insert_gists(n, {}, gist)) {
      expected.push_back(element.level);
    }
    while (expected.back() >= 0) expected.pop_back();  // a stream does not know its end
    EXPECT_EQ(streamed(gist, std::vector<bool>(static_cast<std::size_t>(n), false)), expected);
  }
}

TEST(StreamingInsertion, ByWordWaitsForTheNextWord) {
  const gsa::GistConfig gist = {.chunks = {4}};
  const auto levels = [&](const std::string& text) {  // a capital starts a word
    std::vector<bool> starts;
    for (const char c : text) starts.push_back(c >= 'A' && c <= 'Z');
    return streamed(gist, starts);
  };
  EXPECT_EQ(levels("AbCdEf"), (std::vector<int>{-1, -1, -1, -1, 0, -1, -1}));
  EXPECT_EQ(levels("AbCdeF"), (std::vector<int>{-1, -1, -1, -1, -1, 0, -1}));
  // No word starts within c / 2: split where it stands.
  EXPECT_EQ(levels("AbCdefgh"), (std::vector<int>{-1, -1, -1, -1, -1, -1, 0, -1, -1}));
}

TEST(StreamingInsertion, NoLevelsNoGists) {
  EXPECT_EQ(streamed({.chunks = {}}, std::vector<bool>(9, true)), std::vector<int>(9, -1));
}

}  // namespace
}  // namespace unfold::models
