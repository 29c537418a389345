// Fuzz target: a GGUF file, its config, every tensor, its vocabulary.
#include <cstdint>
#include <span>

#include "core/error.h"
#include "core/gguf_file.h"
#include "data/tokenizer/gguf_vocabulary.h"
#include "models/formats/gguf_blocks.h"
#include "models/formats/gguf_config.h"

namespace {

template <typename Action>
void try_to(Action&& action) {
  try {
    action();
  } catch (const unfold::core::UserError&) {  // what hostile files are to meet
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace unfold;
  try_to([&] {
    const core::GgufFile file("input", std::as_bytes(std::span(data, size)));
    for (const core::GgufTensor& tensor : file.tensors()) {
      models::read_gguf_tensor(tensor, core::DType::bfloat16);
    }
    try_to([&] { models::gguf_decoder_config(file); });
    try_to([&] {
      const auto tokenizer = data::make_tokenizer(
          data::tokenizer_from_tables(data::read_gguf_vocabulary(file), "input"));
      tokenizer->decode(tokenizer->encode("the 12 tokens\n \xE6\x97\xA5"));
    });
  });
  return 0;
}
