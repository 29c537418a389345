#include "cli/commands/import_tokenizer.h"

#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "core/file.h"
#include "data/tokenizer/hugging_face_json.h"
#include "data/tokenizer/json_file.h"
#include "models/formats/hugging_face_folder.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// chat_template.jinja, or the member of tokenizer_config.json: a text, or a list of named ones.
std::string chat_template_of(const fs::path& folder) {
  std::error_code ignored;
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 20;
  if (fs::exists(folder / "chat_template.jinja", ignored)) {
    return core::read_text_file(folder / "chat_template.jinja", kLargest);
  }
  const fs::path file = folder / "tokenizer_config.json";
  if (!fs::exists(file, ignored)) return "";
  const Json config = data::read_json_object(file);
  const auto found = config.find("chat_template");
  if (found == config.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  if (found->is_array()) {
    for (const Json& named : *found) {
      const bool good = named.is_object() && named.contains("name") && named.contains("template") &&
                        named["template"].is_string();
      if (good && named["name"] == "default") return named["template"].get<std::string>();
    }
  }
  return "";
}

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
  if (const std::string chat = chat_template_of(folder); !chat.empty()) {
    core::write_file_atomically(run / "chat_template.txt", chat);
  }
  if (fs::exists(folder / "generation_config.json", ignored)) {
    core::write_file_atomically(
        run / "generation_config.json",
        data::read_json_object(folder / "generation_config.json").dump(2) + "\n");
  }
}

}  // namespace

// Dispatch by kind of source, beside models::open_weights: a kind that is one file has its
// tokenizer in it, or in a file beside it.
void import_tokenizer(const fs::path& source, const models::WeightSource& weights,
                      const fs::path& run) {
  if (const auto* folder = dynamic_cast<const models::HuggingFaceFolder*>(&weights)) {
    return import_hugging_face_tokenizer(source, *folder, run);
  }
  core::fail("import", "{}: no tokenizer can be read from it", source.string());
}

}  // namespace unfold::cli
