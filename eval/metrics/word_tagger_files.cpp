// Files of tagger tables: Python dictionaries as jieba writes them, and the model of cppjieba.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "core/error.h"
#include "core/file.h"
#include "data/text.h"
#include "eval/metrics/python_text.h"
#include "eval/metrics/word_tagger.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTag = "jieba";
constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;
constexpr std::u32string_view kStateNames = U"BEMS";

// The file's characters, read one after the other.
class Cursor {
 public:
  explicit Cursor(const fs::path& file) : file_(file) {
    const std::string bytes = core::read_text_file(file, kMostBytes);
    core::require(data::find_invalid_utf8(bytes) == std::string::npos, kTag,
                  "{}: not UTF-8: give jieba's own folder", file.string());
    text_ = to_code_points(bytes);
  }

  bool at_end() const { return at_ == text_.size(); }
  char32_t peek() const { return at_end() ? 0 : text_[at_]; }
  char32_t next() {
    if (at_end()) fail("the rest is missing");
    return text_[at_++];
  }
  void skip_to(char32_t c) {
    while (!at_end() && text_[at_] != c) ++at_;
  }
  void skip_spaces() {
    while (!at_end() && is_python_space(text_[at_])) ++at_;
  }
  void expect(char32_t c, const char* what) {
    skip_spaces();
    if (next() != c) fail(what);
  }

  double number() {
    std::string digits;
    while (!at_end() && text_[at_] < 0x80 && digits.size() < 64 &&
           std::u32string_view(U"+-.0123456789eE").find(text_[at_]) != std::u32string_view::npos) {
      digits += static_cast<char>(text_[at_++]);
    }
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
      fail("expected a number");
    }
    return value;
  }

  [[noreturn]] void fail(const char* what) const {
    const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<long>(at_), U'\n');
    core::fail(kTag, "{}:{}: {}: give jieba's own folder", file_.string(), line, what);
  }

 private:
  fs::path file_;
  std::u32string text_;
  std::size_t at_ = 0;
};

std::size_t state_of(const std::u32string& name, const Cursor& cursor) {
  const std::size_t state = name.size() == 1 ? kStateNames.find(name[0]) : kStateNames.npos;
  if (state == kStateNames.npos) cursor.fail("expected a state: B, E, M or S");
  return state;
}

// A Python string between quotes, whose escapes are \uXXXX alone.
std::u32string read_string(Cursor& cursor) {
  cursor.skip_spaces();
  if (cursor.peek() == U'u') cursor.next();
  const char32_t quote = cursor.next();
  if (quote != U'\'' && quote != U'"') cursor.fail("expected text in quotes");
  std::u32string text;
  for (char32_t c = cursor.next(); c != quote; c = cursor.next()) {
    if (c == U'\\') {
      if (cursor.next() != U'u') cursor.fail("expected an escape of the form \\u4e00");
      c = 0;
      for (int i = 0; i < 4; ++i) {
        const std::size_t digit =
            std::u32string_view(U"0123456789abcdef").find(cursor.next() | 0x20);  // capitals too
        if (digit == std::u32string_view::npos) cursor.fail("expected four hexadecimal digits");
        c = c * 16 + static_cast<char32_t>(digit);
      }
    }
    text += c;
  }
  return text;
}

// A dictionary {text: value, ...}; read_value gets each key, with the cursor at the value.
template <typename ReadValue>
void read_dictionary(Cursor& cursor, ReadValue read_value) {
  cursor.expect(U'{', "expected a dictionary");
  cursor.skip_spaces();
  while (cursor.peek() != U'}') {
    const std::u32string key = read_string(cursor);
    cursor.expect(U':', "expected a colon");
    cursor.skip_spaces();
    read_value(key);
    cursor.skip_spaces();
    if (cursor.peek() != U'}') cursor.expect(U',', "expected a comma");
    cursor.skip_spaces();
  }
  cursor.next();
}

// The first dictionary of a Python file.
Cursor open_python(const fs::path& file) {
  Cursor cursor(file);
  cursor.skip_to(U'{');
  return cursor;
}

void set_emission(TaggerTables& tables, std::size_t state, char32_t c, double value) {
  if (is_han(c)) tables.emit[state][c - TaggerTables::kFirst] = value;
}

}  // namespace

TaggerTables read_jieba_tables(const fs::path& finalseg) {
  TaggerTables tables;
  Cursor start = open_python(finalseg / "prob_start.py");
  read_dictionary(start, [&](const std::u32string& state) {
    tables.start[state_of(state, start)] = start.number();
  });
  Cursor step = open_python(finalseg / "prob_trans.py");
  read_dictionary(step, [&](const std::u32string& from) {
    auto& row = tables.step[state_of(from, step)];
    read_dictionary(step,
                    [&](const std::u32string& to) { row[state_of(to, step)] = step.number(); });
  });
  Cursor emit = open_python(finalseg / "prob_emit.py");
  read_dictionary(emit, [&](const std::u32string& name) {
    const std::size_t state = state_of(name, emit);
    read_dictionary(emit, [&](const std::u32string& c) {
      if (c.size() != 1) emit.fail("expected one character");
      set_emission(tables, state, c[0], emit.number());
    });
  });
  return tables;
}

TaggerTables read_cppjieba_tables(const fs::path& file) {
  TaggerTables tables;
  Cursor cursor(file);
  // Lines that are no comment: the start, four rows of steps, four of emissions.
  const auto to_next_row = [&] {
    cursor.skip_spaces();
    while (cursor.peek() == U'#') {
      cursor.skip_to(U'\n');
      cursor.skip_spaces();
    }
  };
  const auto read_row = [&](std::array<double, TaggerTables::kStates>& row) {
    to_next_row();
    for (double& value : row) {
      cursor.skip_spaces();
      value = cursor.number();
    }
  };
  read_row(tables.start);
  for (auto& row : tables.step) read_row(row);
  for (std::size_t state = 0; state < TaggerTables::kStates; ++state) {
    to_next_row();
    do {
      const char32_t c = cursor.next();
      cursor.expect(U':', "expected a colon");
      set_emission(tables, state, c, cursor.number());
      if (cursor.peek() == U',') cursor.next();
    } while (!cursor.at_end() && !is_python_space(cursor.peek()));
  }
  return tables;
}

}  // namespace unfold::eval
