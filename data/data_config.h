// What the model reads: files, tokenizer and how rows are packed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unfold::data {

// text: token shards, every token is a target. sft: records (data/records/record.h), the answers
// are.
enum class DataFormat { text, sft };

// What becomes of a record that is longer than a row.
enum class OnLong { error, skip };

struct DataConfig {
  DataFormat format = DataFormat::text;
  // text: shards (.h5); sft: JSONL files; or folders of them.
  std::vector<std::string> train;
  std::vector<std::string> val;
  // "byte", a tokenizer.json, or a folder that holds one.
  std::string tokenizer = "byte";
  OnLong on_long = OnLong::error;
  bool shuffle = true;        // false: the order of the files, every epoch
  std::int64_t prefetch = 2;  // batches prepared ahead
};

}  // namespace unfold::data
