#include "data/records/record_reader.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace unfold::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTag = "records";

bool is_records(const fs::path& file) {
  return file.extension() == ".jsonl" || file.extension() == ".JSONL";
}

DocumentReaderOptions whole_lines() {
  DocumentReaderOptions options;
  options.whole_lines = true;
  options.piece_bytes = std::numeric_limits<std::size_t>::max() / 2;  // a line is one piece
  return options;
}

}  // namespace

std::vector<fs::path> find_record_files(const std::vector<std::string>& inputs) {
  core::require(!inputs.empty(), kTag, "no files to read: name some in data.train and data.val");
  std::vector<fs::path> files;
  for (const std::string& input : inputs) {
    std::vector<fs::path> found = list_text_files({input});
    if (fs::is_directory(input)) {
      std::erase_if(found, [](const fs::path& file) { return !is_records(file); });
      core::require(!found.empty(), kTag, "{}: no .jsonl file in this folder: give another one",
                    input);
    } else {
      core::require(is_records(found.front()), kTag,
                    "{}: not a .jsonl file: data.format sft reads records, one JSON object a line",
                    input);
    }
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

RecordReader::RecordReader(const fs::path& file) : lines_({file}, whole_lines()) {}

bool RecordReader::next(Record& record) {
  if (!lines_.next(line_)) return false;
  record = parse_record(line_.text, line_.place());
  return true;
}

}  // namespace unfold::data
