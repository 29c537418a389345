// A progress line on standard error for anything that counts: steps, documents, bytes.
//
//     step 120/300  40%  loss 3.214  2.1k tok/s  grad 0.8  lr 9.1e-04  eta 1:23
//
// On a terminal one line is redrawn in place, at most ten times a second. Elsewhere (a pipe, a
// file, TERM=dumb) plain lines are written, one every `every` units and one at the end.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace unfold::core {

// One figure of the line. An empty name shows the value alone ("2.1k tok/s").
struct ProgressField {
  std::string name;
  std::string value;
};

enum class ProgressUnit { exact, count, bytes };  // how done and total are printed
enum class ProgressMode { automatic, live, plain };

struct ProgressOptions {
  std::string label;
  std::int64_t total = 0;  // 0: unknown, then neither percentage nor eta is shown
  std::int64_t start = 0;  // units done before this process (a resumed run)
  std::int64_t every = 1;  // units between plain lines
  ProgressUnit unit = ProgressUnit::exact;
  ProgressMode mode = ProgressMode::automatic;
  std::FILE* stream = stderr;
  // Seconds from any fixed moment; empty: the steady clock.
  std::function<double()> clock;
};

class Progress {
 public:
  explicit Progress(ProgressOptions options);
  ~Progress();  // leaves the last state on the screen
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // done counts from 0 and includes options.start.
  void update(std::int64_t done, std::span<const ProgressField> fields = {});
  // Ends the line: redraws it with the last values, then a line break. Further updates are ignored.
  void finish();
  // Removes the live line, so that something else can be printed; the next update draws it again.
  void clear();

  bool live() const { return live_; }
  double elapsed() const;  // seconds since construction
  // Seconds to the end at the mean pace of this process; NaN while unknown.
  double eta() const;

 private:
  std::string line(bool finished) const;
  void draw(bool finished);

  ProgressOptions options_;
  bool live_ = false;
  double began_ = 0;
  double last_drawn_ = 0;
  bool drawn_ = false;    // something is on the screen that a live redraw would replace
  bool pending_ = false;  // the latest update has not been shown
  bool finished_ = false;
  std::int64_t done_ = 0;
  std::vector<ProgressField> fields_;
};

}  // namespace unfold::core
