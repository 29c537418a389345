// The rows behind data.train and data.val, whatever their format.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/data_config.h"
#include "data/row_shards.h"

namespace unfold::data {

// inputs: data.train or data.val of the config; format: made for this tokenizer.
// Throws core::UserError for anything that cannot be read: data/shard_rows.h,
// data/records/record_rows.h.
std::unique_ptr<RowShards> open_rows(const DataConfig& config,
                                     const std::vector<std::string>& inputs,
                                     const Tokenizer& tokenizer, RowFormat format);

}  // namespace unfold::data
