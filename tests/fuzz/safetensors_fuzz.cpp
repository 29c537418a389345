// Fuzz target: a safetensors file, every tensor of which is read.
#include <cstdint>

#include "core/error.h"
#include "models/formats/safetensors.h"
#include "tests/fuzz/scratch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace unfold;
  try {
    const models::SafetensorsFile file(fuzz::scratch_file(data, size, "input.safetensors"));
    for (const models::SafetensorsEntry& entry : file.entries()) {
      try {
        file.read(entry, core::DType::float32);
      } catch (const core::UserError&) {  // of integers, say
      }
    }
  } catch (const core::UserError&) {  // what hostile files are to meet
  }
  return 0;
}
