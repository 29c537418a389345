#include "models/formats/export.h"

#include "core/file.h"

namespace unfold::models {

void export_hugging_face(const std::filesystem::path& model_file,
                         const std::filesystem::path& folder, const ExportOptions& options) {
  const ModelDescription description = read_model_description(model_file);
  const auto rows_of = [](const ParameterSpec& spec, const ParameterPart& part) {
    return part.rows + spec.gist_rows;
  };
  std::vector<SafetensorsPlan> plan;
  for (const ParameterSpec& spec : parameter_table(description.decoder, description.gist.rows())) {
    if (!spec.tied_to.empty()) continue;  // readers tie it by config.json
    for (const ParameterPart& part : spec.parts) {
      core::Shape shape = spec.shape;
      shape[0] = rows_of(spec, part);
      plan.push_back({part.hugging_face_name, std::move(shape), options.dtype});
    }
  }
  SafetensorsWriter writer(folder, std::move(plan), options.shard_bytes);
  for_each_weight(model_file, [&](const ParameterSpec& spec, const core::Tensor& value) {
    std::int64_t row = 0;
    for (const ParameterPart& part : spec.parts) {
      const std::int64_t rows = rows_of(spec, part);
      writer.write(value.slice(0, row, row + rows));
      row += rows;
    }
  });
  writer.finish();
  core::write_file_atomically(
      folder / "config.json",
      hugging_face_config_json(description.decoder, {description.gist, options.tokenizer_size},
                               options.tokens, core::name_of(options.dtype)));
}

}  // namespace unfold::models
