#include "cli/commands/import_tokenizer.h"

#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "core/file.h"
#include "core/gguf_file.h"
#include "data/chat_template.h"
#include "data/tokenizer/gguf_vocabulary.h"
#include "data/tokenizer/hugging_face_json.h"
#include "data/tokenizer/json_file.h"
#include "data/tokenizer/tokenizer.h"
#include "models/formats/hugging_face_folder.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;

void import_hugging_face_tokenizer(const fs::path& folder, const models::HuggingFaceFolder& weights,
                                   const fs::path& run) {
  const fs::path file = folder / "tokenizer.json";
  std::error_code ignored;
  core::require(fs::exists(file, ignored), "import",
                "{}: missing: other forms of a tokenizer are not read (transformers' "
                "AutoTokenizer.from_pretrained(..).save_pretrained writes it)",
                file.string());
  data::copy_tokenizer_json(file, run / "tokenizer.json",
                            weights.exported() ? weights.exported()->tokenizer_size : 0);
  if (const auto chat = data::find_chat_template(folder)) {
    core::write_file_atomically(run / "chat_template.txt", chat->jinja);
  }
  if (fs::exists(folder / "generation_config.json", ignored)) {
    core::write_file_atomically(
        run / "generation_config.json",
        data::read_json_object(folder / "generation_config.json").dump(2) + "\n");
  }
}

// In the metadata.
void import_gguf_tokenizer(const fs::path& file, const fs::path& run) {
  data::load_tokenizer(file.string())->save(run / "tokenizer.json");
  const std::string chat = data::read_gguf_vocabulary(file).chat_template;
  if (!chat.empty()) core::write_file_atomically(run / "chat_template.txt", chat);
}

// In a file beside it: tok512.bin of a vocabulary of 512, or tokenizer.bin.
void import_llama2c_tokenizer(const fs::path& file, std::int64_t vocabulary, const fs::path& run) {
  const std::string own_name = fmt::format("tok{}.bin", vocabulary);
  std::error_code ignored;
  for (const std::string& name : {own_name, std::string("tokenizer.bin")}) {
    const fs::path beside = file.parent_path() / name;
    if (!fs::exists(beside, ignored)) continue;
    data::load_tokenizer(beside.string())->save(run / "tokenizer.json");
    return;
  }
  core::fail("import", "{}: no tokenizer beside it: put {} or tokenizer.bin there", file.string(),
             own_name);
}

}  // namespace

// Dispatch by kind of source, beside models::open_weights: a kind that is one file has its
// tokenizer in it, or in a file beside it.
void import_tokenizer(const fs::path& source, const models::WeightSource& weights,
                      const fs::path& run) {
  if (const auto* folder = dynamic_cast<const models::HuggingFaceFolder*>(&weights)) {
    return import_hugging_face_tokenizer(source, *folder, run);
  }
  if (core::is_gguf_file(source)) return import_gguf_tokenizer(source, run);
  if (source.extension() == ".bin") {
    return import_llama2c_tokenizer(source, weights.config().vocab_size, run);
  }
  core::fail("import", "{}: no tokenizer can be read from it", source.string());
}

}  // namespace unfold::cli
