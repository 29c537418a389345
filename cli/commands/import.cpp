// unfold import SRC: a model of others becomes a run that can be generated from, evaluated, and
// trained on.
#include "models/formats/import.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/commands/import_tokenizer.h"
#include "core/error.h"
#include "core/file.h"
#include "core/staged_folder.h"
#include "core/text_format.h"
#include "data/tokenizer/tokenizer.h"
#include "models/formats/checkpoint_folder.h"
#include "models/formats/hugging_face_folder.h"

namespace unfold::cli {
namespace {

namespace fs = std::filesystem;

struct ImportArguments {
  std::string source;
  std::string out;
  bool list = false;
  bool no_gists = false;
  std::vector<std::int64_t> chunks;
  std::string dtype = "float32";
};

std::string table_of(const models::WeightSource& source) {
  std::size_t name_width = 4;
  std::size_t shape_width = 5;
  for (const models::SourceTensor& tensor : source.tensors()) {
    name_width = std::max(name_width, tensor.name.size());
    shape_width = std::max(shape_width, core::to_string(tensor.shape).size());
  }
  std::string text = source.describe() + "\n";
  text += fmt::format("{:<{}}  {:<{}}  {:<6} {:>12}\n", "name", name_width, "shape", shape_width,
                      "type", "bytes");
  for (const models::SourceTensor& tensor : source.tensors()) {
    text += fmt::format("{:<{}}  {:<{}}  {:<6} {:>12}\n", tensor.name, name_width,
                        core::to_string(tensor.shape), shape_width, tensor.type, tensor.bytes);
  }
  return text;
}

// The gists of the run: those of an export of ours that has some, where chunks must agree in
// number, else new ones.
gsa::GistConfig gists_of(const models::WeightSource& source, const ImportArguments& arguments) {
  gsa::GistConfig gist;
  if (!arguments.chunks.empty()) gist.chunks = arguments.chunks;
  if (arguments.no_gists) gist.chunks.clear();
  const auto* folder = dynamic_cast<const models::HuggingFaceFolder*>(&source);
  if (folder == nullptr || !folder->exported() || folder->exported()->gist.rows() == 0) return gist;
  gsa::GistConfig known = folder->exported()->gist;
  const bool asked = arguments.no_gists || !arguments.chunks.empty();
  core::require(!asked || gist.levels() == known.levels(), "import",
                "{}: is an export with gists of {} levels, asked for are {}: leave out --chunks",
                arguments.source, known.levels(), gist.levels());
  if (asked) known.chunks = gist.chunks;
  return known;
}

// A config that `unfold train` takes with another run.dir, and generate and eval as it is.
Config config_of(const models::DecoderConfig& model, const gsa::GistConfig& gist,
                 const ImportArguments& arguments) {
  Config config;
  config.run.dir = fs::path(arguments.out).lexically_normal().string();
  config.model = model;
  config.gist = gist;
  config.data.tokenizer = (fs::path(config.run.dir) / "tokenizer.json").string();
  config.train.init_from = config.run.dir;
  config.train.dtype = core::dtype_from_name(arguments.dtype);
  // Pretrained weights want the small steps of METHOD.md section 10, not those of a new model.
  config.train.optimizer.lr = 1e-5;
  config.train.optimizer.beta2 = 0.999;
  if (gist.levels() == 0) {
    config.train.objective = train::Objective::lm;
    config.eval.methods = {"full"};
  }
  if (gist.links > 0) {
    config.train.objective = train::Objective::sft;
    config.data.format = data::DataFormat::sft;
  }
  return parse_config(to_yaml(config), "import");  // validated as any config
}

void run_import(const ImportArguments& arguments) {
  if (arguments.list) {
    print(table_of(*models::open_weights(arguments.source)));
    return;
  }
  core::require(!arguments.out.empty(), "usage",
                "unfold import: give --out RUN, the folder to make, or --list");
  core::StagedFolder run(arguments.out, "choose another --out, or remove it");
  const auto source = models::open_weights(arguments.source);
  const gsa::GistConfig gist = gists_of(*source, arguments);
  gsa::validate(gist);
  const Config config = config_of(source->config(), gist, arguments);
  import_tokenizer(arguments.source, *source, run.path());
  const auto tokenizer = data::load_tokenizer((run.path() / "tokenizer.json").string());
  core::require(tokenizer->vocab_size() <= config.model.vocab_size, "import",
                "{}: a vocabulary of {}, its tokenizer has {} entries: they do not belong together",
                arguments.source, config.model.vocab_size, tokenizer->vocab_size());
  const models::ModelDescription description = {config.model, gist, tokenizer->fingerprint()};
  const std::int64_t parameters = models::count_parameters(config.model, gist.rows());
  models::write_checkpoint(
      run.path(), 0, static_cast<std::uint64_t>(parameters) * 4, [&](const fs::path& folder) {
        models::import_model(*source, description, folder / models::kModelFile);
      });
  core::write_file_atomically(run.path() / "config.yaml", to_yaml(config));
  run.publish();
  print(fmt::format("imported {} parameters, {} gist rows: {}\n",
                    core::format_count(static_cast<double>(parameters)), gist.rows(),
                    arguments.out));
}

}  // namespace

void add_import_command(Command app) {
  Command command =
      app.add_subcommand("import", "Make a run of another's model, with gist rows added");
  command.group(kDataGroup);
  const auto arguments = std::make_shared<ImportArguments>();
  command
      .add_option("SRC", arguments->source,
                  "folder with config.json, .safetensors and tokenizer.json; GGUF file; "
                  "llama2.c checkpoint with tokN.bin beside it")
      .required();
  command.add_option("--out", arguments->out, "folder of the run to make").type_name("RUN");
  command.add_flag("--list", arguments->list, "print tensors, shapes and types; make nothing");
  command
      .add_option("--chunks", arguments->chunks,
                  "raw tokens a chunk, then gists a higher gist, one entry a level; default: 8")
      .delimiter(',')
      .one_value()
      .type_name("C[,M...]");
  command.add_flag("--no-gists", arguments->no_gists, "add none: a plain decoder");
  command.add_choice("--dtype", arguments->dtype, {"float32", "bfloat16"},
                     "what the run computes in; stored are float32, with every bit of the source");
  command.footer(
      "Example:\n  unfold import models/SmolLM2-135M --out runs/smol\n"
      "  unfold train runs/smol/config.yaml --set run.dir=runs/cpt --set data.train=[shards]");
  command.callback([arguments] { run_import(*arguments); });
}

}  // namespace unfold::cli
