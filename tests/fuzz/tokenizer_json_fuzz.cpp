// Fuzz target: a tokenizer.json, which also encodes a text when it is one.
#include <cstdint>

#include "core/error.h"
#include "data/tokenizer/tokenizer.h"
#include "tests/fuzz/scratch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace unfold;
  try {
    const auto file = fuzz::scratch_file(data, size, "input.json");
    const auto tokenizer = data::load_tokenizer(file.string());
    tokenizer->decode(tokenizer->encode("the 12 tokens\n \xE6\x97\xA5"));
  } catch (const core::UserError&) {  // what hostile files are to meet
  }
  return 0;
}
