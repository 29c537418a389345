// unfold export RUN: a run becomes a folder that transformers opens.
#include "models/formats/export.h"

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.h"
#include "core/error.h"
#include "core/file.h"
#include "core/staged_folder.h"
#include "data/tokenizer/hugging_face_json.h"
#include "data/tokenizer/json_file.h"
#include "eval/loaded_run.h"
#include "models/formats/checkpoint_folder.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct ExportArguments {
  std::string run;
  std::string folder;
  std::string checkpoint = "last";
  std::string dtype = "float32";
};

// Gists of each level, then links: the rows behind the model's raw vocabulary.
std::vector<data::AddedToken> gist_tokens(const models::ModelDescription& model) {
  std::vector<data::AddedToken> tokens;
  auto id = static_cast<data::TokenId>(model.decoder.vocab_size);
  for (int level = 0; level < model.gist.levels(); ++level) {
    tokens.push_back({id++, fmt::format("<|gist_{}|>", level), true});
  }
  for (std::int64_t link = 0; link < model.gist.links; ++link) {
    tokens.push_back({id++, fmt::format("<|link_{}|>", link), true});
  }
  return tokens;
}

void write_tokenizer_config(const fs::path& run, const data::Tokenizer& tokenizer,
                            const models::DecoderConfig& model, const fs::path& file) {
  Json json = {{"tokenizer_class", "PreTrainedTokenizerFast"},
               {"clean_up_tokenization_spaces", false},
               {"eos_token", tokenizer.token_bytes(tokenizer.eos())}};
  if (tokenizer.bos()) json["bos_token"] = tokenizer.token_bytes(*tokenizer.bos());
  if (model.max_positions > 0) json["model_max_length"] = model.max_positions;
  std::error_code ignored;
  if (fs::exists(run / "chat_template.txt", ignored)) {
    json["chat_template"] = core::read_text_file(run / "chat_template.txt");
  }
  core::write_file_atomically(file, json.dump(2) + "\n");
}

// What the model came with, if anything; gists and links are never generated (METHOD.md section 2).
void write_generation_config(const fs::path& run, const models::DocumentTokens& ends,
                             const std::vector<data::AddedToken>& gists, const fs::path& file) {
  Json json = {{"eos_token_id", ends.eos}};
  if (ends.bos) json["bos_token_id"] = *ends.bos;
  std::error_code ignored;
  if (fs::exists(run / "generation_config.json", ignored)) {
    json = data::read_json_object(run / "generation_config.json");
  }
  Json suppressed = Json::array();
  for (const data::AddedToken& token : gists) suppressed.push_back(token.id);
  if (!gists.empty()) json["suppress_tokens"] = std::move(suppressed);
  core::write_file_atomically(file, json.dump(2) + "\n");
}

void run_export(const ExportArguments& arguments) {
  const fs::path run = arguments.run;
  const std::int64_t step = eval::choose_checkpoint(run, arguments.checkpoint);
  core::StagedFolder folder(arguments.folder, "choose another --hf, or remove it");
  models::verify_checkpoint(run, step);
  const fs::path model_file = models::checkpoint_path(run, step) / models::kModelFile;
  const models::ModelDescription model = models::read_model_description(model_file);
  std::error_code ignored;
  fs::path tokenizer_file = run / "tokenizer.json";
  const bool stored = fs::exists(tokenizer_file, ignored);
  const auto tokenizer = data::load_tokenizer(stored ? tokenizer_file.string() : "byte");
  core::require(tokenizer->fingerprint() == model.tokenizer_fingerprint, "export",
                "{}: not the tokenizer the model was trained with: put that one back",
                tokenizer_file.string());
  const fs::path target = folder.path() / "tokenizer.json";
  if (!stored) {
    tokenizer->save(target);
    tokenizer_file = target;
  }
  const std::vector<data::AddedToken> gists = gist_tokens(model);
  data::add_to_tokenizer_json(tokenizer_file, target, gists);
  models::ExportOptions options;
  options.dtype = core::dtype_from_name(arguments.dtype);
  options.tokenizer_size = tokenizer->vocab_size();
  options.tokens.eos = tokenizer->eos();
  if (tokenizer->bos()) options.tokens.bos = *tokenizer->bos();
  models::export_hugging_face(model_file, folder.path(), options);
  write_tokenizer_config(run, *tokenizer, model.decoder, folder.path() / "tokenizer_config.json");
  write_generation_config(run, options.tokens, gists, folder.path() / "generation_config.json");
  folder.publish();
  print(fmt::format("exported step {}: {}\n", step, arguments.folder));
}

}  // namespace

void add_export_command(Command app) {
  Command command = app.add_subcommand("export", "Write a run as a folder that transformers opens");
  command.group(kDataGroup);
  const auto arguments = std::make_shared<ExportArguments>();
  command.add_option("RUN", arguments->run, "folder of the run (run.dir of its config)").required();
  command.add_option("--hf", arguments->folder, "Hugging Face folder to make")
      .required()
      .type_name("DIR");
  command
      .add_option("--checkpoint", arguments->checkpoint,
                  "last, best (lowest validation loss), or a step")
      .type_name("last|best|STEP")
      .capture_default_str();
  command.add_choice("--dtype", arguments->dtype, {"float32", "bfloat16"},
                     "of the weights; float32 keeps every bit");
  command.footer("Example:\n  unfold export runs/cpt --hf models/cpt");
  command.callback([arguments] { run_export(*arguments); });
}

}  // namespace unfold::cli
