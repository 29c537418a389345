#include "models/formats/import.h"

#include <cmath>
#include <cstring>
#include <set>

#include "core/kernels/elementwise.h"
#include "core/log.h"
#include "models/initialise.h"

namespace unfold::models {
namespace {

using core::DType;
using core::Shape;
using core::Tensor;

void warn_of_non_finite(const Tensor& value, const std::string& name) {
  const float* values = value.data<float>();
  // 0 for finite values, else NaN: a sum that the compiler can vectorise finds whether any is not.
  float sum = 0;
  const std::int64_t count = value.size();
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < count; ++i) sum += values[i] * 0.0f;
  if (sum == 0.0f) return;
  std::int64_t bad = 0;
  for (std::int64_t i = 0; i < count; ++i) bad += std::isfinite(values[i]) ? 0 : 1;
  core::log::warning("{}: {} of {} weights are NaN or infinite", name, bad, count);
}

// Tensors that say nothing new: tables of angles in old files, and a head that is tied.
bool is_redundant(const std::string& name, const DecoderConfig& config) {
  return name.ends_with(".rotary_emb.inv_freq") ||
         (config.tied_embeddings && name == "lm_head.weight");
}

}  // namespace

Tensor imported_value(const WeightSource& source, const ParameterSpec& spec) {
  const std::string from = source.describe();
  Shape shape = spec.shape;
  Tensor result;
  std::int64_t row = 0;
  bool has_gists = false;
  for (const ParameterPart& part : spec.parts) {
    const Tensor value = source.read(part.hugging_face_name, DType::float32);
    core::require(value.defined(), "import", "{}: tensor {}: is missing", from,
                  part.hugging_face_name);
    shape[0] = part.rows;
    Shape with_gists = shape;
    with_gists[0] += spec.gist_rows;
    has_gists = spec.gist_rows > 0 && value.shape() == with_gists;
    core::require(has_gists || value.shape() == shape, "import",
                  "{}: tensor {}: has shape {}, its config asks for {}", from,
                  part.hugging_face_name, core::to_string(value.shape()), core::to_string(shape));
    warn_of_non_finite(value, part.hugging_face_name);
    if (value.shape() == spec.shape) return value;
    if (!result.defined()) result = Tensor::empty(spec.shape, DType::float32);
    core::kernels::copy(value, result.slice(0, row, row + value.dim(0)));
    row += value.dim(0);
  }
  if (!has_gists && spec.gist_rows > 0) fill_gist_rows(result, spec.gist_rows);
  return result;
}

void require_all_used(const WeightSource& source) {
  std::set<std::string> known;
  for (const ParameterSpec& spec : parameter_table(source.config(), 0)) {
    for (const ParameterPart& part : spec.parts) known.insert(part.hugging_face_name);
  }
  for (const SourceTensor& tensor : source.tensors()) {
    // Other formats list their own names, which they know.
    const bool theirs = tensor.name.starts_with("model.") || tensor.name.starts_with("lm_head.");
    core::require(
        !theirs || known.contains(tensor.name) || is_redundant(tensor.name, source.config()),
        "import", "{}: tensor {}: has no place in the decoder its config describes",
        source.describe(), tensor.name);
  }
}

void import_model(const WeightSource& source, const ModelDescription& description,
                  const std::filesystem::path& file) {
  require_all_used(source);
  write_model(file, description,
              [&](const ParameterSpec& spec) { return imported_value(source, spec); });
}

void import_weights(const WeightSource& source, Decoder& decoder) {
  require_all_used(source);
  for (const Parameter& parameter : decoder.parameters()) {
    if (!parameter.spec.tied_to.empty()) continue;
    core::kernels::copy(
        imported_value(source, parameter.spec).to(decoder.dtype()).to(decoder.device()),
        parameter.variable.value());
  }
}

}  // namespace unfold::models
