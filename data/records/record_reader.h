// Records of JSONL files, one by one (data/records/record.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/records/record.h"
#include "data/text.h"

namespace unfold::data {

// The files meant by a list of JSONL files and folders of them (searched recursively), in the given
// order, folders sorted by path. Throws core::UserError: none given, a missing path, a file of
// another kind, a folder without one.
std::vector<std::filesystem::path> find_record_files(const std::vector<std::string>& inputs);

// Holds one line in memory at a time. Blank lines are skipped.
class RecordReader {
 public:
  explicit RecordReader(const std::filesystem::path& file);

  // Reads the next record; false behind the last one.
  // Throws core::UserError, naming file and line, for a bad one (invalid UTF-8, and what
  // parse_record refuses), and for a file without any.
  bool next(Record& record);

  // "train.jsonl:12", the line of the last record.
  std::string place() const { return line_.place(); }
  std::int64_t line() const { return line_.line; }

 private:
  DocumentReader lines_;
  Document line_;
};

}  // namespace unfold::data
