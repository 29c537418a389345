// Regular expressions for splitting text: PCRE2 with its just-in-time compiler, in UTF mode, with
// Unicode classes.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace unfold::data {

// Memory one thread needs to run any Regex. Cheap to keep, costly to make for every match.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(RegexScratch&&) noexcept;
  RegexScratch& operator=(RegexScratch&&) noexcept;

 private:
  friend class Regex;
  struct State;
  std::unique_ptr<State> state_;
};

// A compiled pattern; immutable, so any number of threads may use it.
class Regex {
 public:
  struct Match {
    std::size_t begin;
    std::size_t end;
  };

  // literal: the pattern is plain text. Throws core::UserError with the place of the mistake in the
  // pattern, in the form "pattern: ... at offset N".
  explicit Regex(std::string pattern, bool literal = false);

  // First match in valid UTF-8 `text` at or behind `from`. Throws core::UserError when the pattern
  // exceeds the engine's limits on this text.
  std::optional<Match> find(std::string_view text, std::size_t from, RegexScratch& scratch) const;

  const std::string& pattern() const { return pattern_; }

 private:
  struct Code;
  std::string pattern_;
  std::shared_ptr<const Code> code_;
};

}  // namespace unfold::data
