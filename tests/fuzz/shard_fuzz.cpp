// Fuzz target: a token shard (HDF5), whose tokens are all read when it is one.
#include <cstdint>

#include "core/error.h"
#include "data/shard.h"
#include "tests/fuzz/scratch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace unfold;
  try {
    data::ShardReader shard(fuzz::scratch_file(data, size, "input.h5"));
    for (std::int64_t i = 0; i < shard.documents(); ++i) shard.document(i);
  } catch (const core::UserError&) {  // what hostile files are to meet
  }
  return 0;
}
