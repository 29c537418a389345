// Where a folder keeps its chat template.
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>

#include "core/error.h"
#include "core/file.h"
#include "data/chat_template.h"
#include "data/tokenizer/json_file.h"

namespace unfold::data {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& file) {
  std::error_code ignored;
  return fs::is_regular_file(file, ignored);
}

// A string, or a list of {"name", "template"} of which "default" is the one.
std::optional<std::string> configured_template(const JsonView& value) {
  if (value.is_null()) return std::nullopt;
  if (value.value().is_string()) return value.as_string();
  value.expect_array();
  for (std::size_t i = 0; i < value.size(); ++i) {
    const JsonView entry = value.element(i).expect_object();
    if (entry.member("name").as_string() == "default") return entry.member("template").as_string();
  }
  value.fail("none of these templates is the default one");
}

}  // namespace

std::optional<ChatTemplateText> find_chat_template(const fs::path& folder) {
  for (const char* name : {"chat_template.txt", "chat_template.jinja"}) {
    const fs::path file = folder / name;
    if (is_file(file)) return ChatTemplateText{core::read_text_file(file), file};
  }
  const fs::path file = folder / "tokenizer_config.json";
  if (!is_file(file)) return std::nullopt;
  const nlohmann::json config = read_json_object(file);
  const JsonView view(config, file.string() + ": ");
  const auto jinja = configured_template(view.member("chat_template"));
  if (!jinja) return std::nullopt;
  return ChatTemplateText{*jinja, file};
}

std::optional<ChatTemplate> load_chat_template(const fs::path& folder, const Tokenizer& tokenizer) {
  const std::optional<ChatTemplateText> found = find_chat_template(folder);
  if (!found) return std::nullopt;
  const std::string bos =
      tokenizer.bos() ? std::string(tokenizer.token_bytes(*tokenizer.bos())) : "";
  const std::string eos(tokenizer.token_bytes(tokenizer.eos()));
  return ChatTemplate(found->jinja, bos, eos, found->file.string());
}

}  // namespace unfold::data
