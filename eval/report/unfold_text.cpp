#include "eval/report/unfold_text.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/text_format.h"

namespace unfold::eval {
namespace {

std::string token_cell(const UnfoldStep& step) {
  return step.end ? "(end)" : quote_line(step.token);
}

}  // namespace

std::string quote_line(std::string_view text) {
  std::string line = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\t') {
      line += "\\t";
    } else if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  return line + '"';
}

std::string unfold_text(const UnfoldTrace& trace) {
  std::string text =
      fmt::format("run {}, {}, layer {} of 0 to {}, key/value head {} of {}, {} chunks\n",
                  trace.run, trace.method, trace.layer, trace.layers - 1, trace.kv_head,
                  trace.kv_heads, trace.chunks.size());
  std::size_t width = 9;  // of "generated"
  for (const UnfoldStep& step : trace.steps) width = std::max(width, token_cell(step).size());
  text += fmt::format("\ntoken  {:<{}}  keys read  chunks unfolded\n", "generated", width);
  for (std::size_t i = 0; i < trace.steps.size(); ++i) {
    const UnfoldStep& step = trace.steps[i];
    text += fmt::format("{:>5}  {:<{}}  {:>9}  {}\n", i + 1, token_cell(step), width, step.keys,
                        core::join(step.chunks, " "));
  }
  text += "\nchunk  unfolded  text\n";
  const std::vector<std::int64_t> times = trace.times_unfolded();
  for (std::size_t j = 0; j < times.size(); ++j) {
    text += fmt::format("{:>5}  {:>8}  {}\n", j, times[j], quote_line(trace.chunks[j]));
  }
  return text;
}

}  // namespace unfold::eval
