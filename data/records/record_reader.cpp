#include "data/records/record_reader.h"

#include <limits>

#include "core/error.h"

namespace unfold::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTag = "records";

DocumentReaderOptions whole_lines() {
  DocumentReaderOptions options;
  options.whole_lines = true;
  options.piece_bytes = std::numeric_limits<std::size_t>::max() / 2;  // a line is one piece
  return options;
}

}  // namespace

std::vector<fs::path> find_record_files(const std::vector<std::string>& inputs) {
  core::require(!inputs.empty(), kTag, "no files to read: name some in data.train and data.val");
  return list_text_files({inputs.begin(), inputs.end()}, {".jsonl"});
}

RecordReader::RecordReader(const fs::path& file) : lines_({file}, whole_lines()) {}

bool RecordReader::next(Record& record) {
  if (!lines_.next(line_)) return false;
  record = parse_record(line_.text, line_.place());
  return true;
}

}  // namespace unfold::data
