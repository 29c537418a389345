// Records of evaluations, one JSON object a line of a file, and what is done about bad ones.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "eval/eval_config.h"
#include "eval/records/json_record.h"

namespace unfold::eval {

// Counts bad records (eval.on_bad_record).
class BadRecords {
 public:
  explicit BadRecords(OnBadRecord what) : what_(what) {}

  // Runs read(); false when it threw core::UserError and the record is left out, with a warning
  // that names it. With OnBadRecord::stop the error goes on, with the way to skip.
  bool read(const std::function<void()>& read);
  std::int64_t skipped() const { return skipped_; }

 private:
  OnBadRecord what_;
  std::int64_t skipped_ = 0;
};

// Calls take(record) for the records of a file, up to `limit` good ones (0: all). Blank lines are
// passed over. Errors of take() count as those of the record. Throws core::UserError: a file that
// cannot be read, without records or without a good one; a bad record with OnBadRecord::stop.
void read_record_file(const std::filesystem::path& file, std::int64_t limit, BadRecords& bad,
                      const std::function<void(const JsonRecord&)>& take);

}  // namespace unfold::eval
