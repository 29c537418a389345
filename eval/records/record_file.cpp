#include "eval/records/record_file.h"

#include <limits>

#include "core/error.h"
#include "core/log.h"
#include "data/text.h"

namespace unfold::eval {
namespace {

constexpr std::int64_t kTold = 10;  // warnings; the rest is counted

}  // namespace

bool BadRecords::read(const std::function<void()>& read) {
  if (what_ == OnBadRecord::stop) {
    read();
    return true;
  }
  try {
    read();
  } catch (const core::UserError& error) {
    ++skipped_;
    if (skipped_ <= kTold) core::log::warning("record left out: {}", error.what());
    if (skipped_ == kTold) core::log::warning("further records left out are only counted");
    return false;
  }
  return true;
}

void read_record_file(const std::filesystem::path& file, std::int64_t limit, BadRecords& bad,
                      const std::function<void(const JsonRecord&)>& take) {
  data::DocumentReaderOptions options;
  options.whole_lines = true;
  options.piece_bytes = std::numeric_limits<std::size_t>::max() / 2;  // a line is one piece
  data::DocumentReader lines({file}, options);
  data::Document line;
  std::int64_t good = 0;
  while ((limit == 0 || good < limit) && lines.next(line)) {
    if (bad.read([&] { take(JsonRecord(line.text, line.place())); })) ++good;
  }
  core::require(good > 0, "eval", "{}: no usable record in it: mend the file or name another",
                file.string());
}

}  // namespace unfold::eval
