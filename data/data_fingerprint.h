// Whether two processes read the same data, told without reading all of it.
#pragma once

#include <string>
#include <vector>

#include "data/data_config.h"

namespace unfold::data {

// A line a file of `inputs` (data.train or data.val): its name without folders, its size, and a
// checksum of its first and last 64 KiB. Throws core::UserError for paths that cannot be read.
std::string data_fingerprint(const DataConfig& config, const std::vector<std::string>& inputs);

}  // namespace unfold::data
