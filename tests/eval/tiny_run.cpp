#include "tests/eval/tiny_run.h"

#include "core/file.h"
#include "core/kernels/elementwise.h"
#include "data/shard.h"
#include "models/formats/checkpoint_folder.h"
#include "models/formats/model_file.h"
#include "tests/eval/run_files.h"

namespace unfold::eval {
namespace fs = std::filesystem;

void write_tiny_run(const fs::path& folder, const data::Tokenizer& tokenizer,
                    const TinyRunOptions& options) {
  models::ModelDescription description;
  description.decoder.vocab_size = tokenizer.vocab_size() + options.wider;
  description.decoder.width = 16;
  description.decoder.layers = 2;
  description.decoder.heads = 2;
  description.decoder.kv_heads = 1;
  description.decoder.ffn = 32;
  description.decoder.init_std = 0.4;  // large, so that predictions depend on the context
  description.gist = options.gist;
  description.tokenizer_fingerprint = tokenizer.fingerprint();
  models::Decoder decoder(description.decoder, options.gist.levels(), options.dtype, core::Device{},
                          options.seed, options.gist.links);
  if (options.change) options.change(decoder);
  core::create_folder(folder);
  core::write_file_atomically(folder / "config.yaml", config_text());
  if (tokenizer.kind() != "byte") tokenizer.save(folder / "tokenizer.json");
  for (const std::int64_t step : options.steps) {
    models::write_checkpoint(folder, step, 0, [&](const fs::path& checkpoint) {
      models::write_model(checkpoint / models::kModelFile, decoder, description);
    });
  }
}

void write_tiny_run(const fs::path& folder, const TinyRunOptions& options) {
  write_tiny_run(folder, *data::load_tokenizer("byte"), options);
}

LoadedRun make_tiny_run(const fs::path& folder, const TinyRunOptions& options) {
  write_tiny_run(folder, options);
  return load_run(folder, "last", core::DType::float64);
}

void make_uniform(models::Decoder& decoder) {
  const core::Tensor& head = decoder.head().value();
  core::kernels::copy(core::Tensor::zeros(head.shape(), head.dtype()), head);
}

fs::path write_shard(const fs::path& file, const data::Tokenizer& tokenizer,
                     const std::vector<std::string>& texts) {
  data::ShardWriter writer(file, data::describe_vocab(tokenizer));
  for (const std::string& text : texts) {
    std::vector<data::TokenId> tokens = tokenizer.encode(text);
    tokens.push_back(tokenizer.eos());
    writer.append(tokens);
    writer.end_document();
  }
  writer.finish();
  return file;
}

}  // namespace unfold::eval
