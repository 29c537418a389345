#include "core/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "core/text_format.h"

namespace unfold::core {
namespace {

constexpr double kRedrawSeconds = 0.1;

double steady_seconds() {
  using std::chrono::steady_clock;
  return std::chrono::duration<double>(steady_clock::now().time_since_epoch()).count();
}

bool is_capable_terminal(std::FILE* stream) {
  const char* term = std::getenv("TERM");
  return ::isatty(::fileno(stream)) && term && std::string_view(term) != "dumb";
}

// Columns of the terminal; 80 when it does not say.
std::size_t columns_of(std::FILE* stream) {
  winsize size = {};
  if (::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string format_quantity(std::int64_t value, ProgressUnit unit) {
  switch (unit) {
    case ProgressUnit::exact:
      return fmt::format("{}", value);
    case ProgressUnit::count:
      return format_count(static_cast<double>(value));
    case ProgressUnit::bytes:
      return format_bytes(static_cast<double>(value));
  }
  return "";
}

}  // namespace

Progress::Progress(ProgressOptions options) : options_(std::move(options)) {
  if (!options_.clock) options_.clock = steady_seconds;
  options_.every = std::max<std::int64_t>(options_.every, 1);
  live_ = options_.mode == ProgressMode::live ||
          (options_.mode == ProgressMode::automatic && is_capable_terminal(options_.stream));
  began_ = options_.clock();
  done_ = options_.start;
}

Progress::~Progress() {
  finish();
}

double Progress::elapsed() const {
  return options_.clock() - began_;
}

double Progress::eta() const {
  const std::int64_t here = done_ - options_.start;
  if (options_.total <= 0 || here <= 0) return std::numeric_limits<double>::quiet_NaN();
  const auto left = static_cast<double>(std::max<std::int64_t>(options_.total - done_, 0));
  return elapsed() / static_cast<double>(here) * left;
}

void Progress::update(std::int64_t done, std::span<const ProgressField> fields) {
  if (finished_) return;
  const bool crossed = done / options_.every != done_ / options_.every;
  done_ = done;
  fields_.assign(fields.begin(), fields.end());
  pending_ = true;
  if (live_) {
    const bool due = !drawn_ || options_.clock() - last_drawn_ >= kRedrawSeconds;
    if (due) draw(false);
  } else if (crossed) {
    draw(false);
  }
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  if (live_) {
    if (pending_ || drawn_) draw(true);
  } else if (pending_) {
    draw(true);
  }
}

void Progress::clear() {
  if (!live_ || !drawn_) return;
  std::fputs("\r\x1b[K", options_.stream);
  std::fflush(options_.stream);
  drawn_ = false;
}

std::string Progress::line(bool finished) const {
  std::string text = options_.label;
  if (!text.empty()) text += ' ';
  text += format_quantity(done_, options_.unit);
  if (options_.total > 0) {
    const double share = static_cast<double>(done_) / static_cast<double>(options_.total);
    // 99.9% rounds down: 100% is kept for the end.
    text += fmt::format("/{}  {}%", format_quantity(options_.total, options_.unit),
                        static_cast<int>(std::floor(std::clamp(share, 0.0, 1.0) * 100)));
  }
  for (const ProgressField& field : fields_) {
    text += field.name.empty() ? fmt::format("  {}", field.value)
                               : fmt::format("  {} {}", field.name, field.value);
  }
  const bool complete = options_.total > 0 && done_ >= options_.total;
  if (finished || complete) {
    text += fmt::format("  in {}", format_duration(elapsed()));
  } else if (const double left = eta(); std::isfinite(left)) {
    text += fmt::format("  eta {}", format_duration(left));
  }
  return text;
}

void Progress::draw(bool finished) {
  std::string text = line(finished);
  if (live_) {
    // A wrapped line could not be redrawn in place. The last column stays free: some terminals wrap
    // as soon as it is filled.
    text.resize(std::min(text.size(), columns_of(options_.stream) - 1));
    text = fmt::format("\r{}\x1b[K{}", text, finished ? "\n" : "");
  } else {
    text += '\n';
  }
  std::fwrite(text.data(), 1, text.size(), options_.stream);
  std::fflush(options_.stream);
  drawn_ = !finished;
  pending_ = false;
  last_drawn_ = options_.clock();
}

}  // namespace unfold::core
