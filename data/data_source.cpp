#include "data/data_source.h"

#include "data/records/record_rows.h"
#include "data/shard_rows.h"

namespace unfold::data {

std::unique_ptr<RowShards> open_rows(const DataConfig& config,
                                     const std::vector<std::string>& inputs,
                                     const Tokenizer& tokenizer, RowFormat format) {
  if (config.format == DataFormat::sft) {
    return std::make_unique<RecordShards>(inputs, tokenizer, std::move(format), config.on_long);
  }
  return std::make_unique<TokenShards>(find_shards(inputs), std::move(format));
}

}  // namespace unfold::data
