// What the model reads: files, tokenizer and how rows are packed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unfold::data {

struct DataConfig {
  // Shards (.h5), or folders of them.
  std::vector<std::string> train;
  std::vector<std::string> val;
  // "byte", a tokenizer.json, or a folder that holds one.
  std::string tokenizer = "byte";
  std::int64_t prefetch = 2;  // batches prepared ahead
};

}  // namespace unfold::data
