#include "models/formats/model_file.h"

#include <nlohmann/json.hpp>

#include "core/hdf5_tensor.h"
#include "core/kernels/elementwise.h"
#include "models/formats/config_json.h"

namespace unfold::models {
namespace {

namespace hdf5 = core::hdf5;
using core::Tensor;

constexpr std::int64_t kFormat = 1;

hdf5::Context context_of(const std::filesystem::path& file) {
  return {"model", file.string(), "use another checkpoint, or train again"};
}

ModelDescription read_description(hid_t file, const hdf5::Context& context) {
  const std::int64_t format = hdf5::read_integer_attribute(file, "format", context);
  core::require(format == kFormat, "model", "{}: format {}, this program reads {}: {}",
                context.file, format, kFormat, context.advice);
  return {decoder_from_json(hdf5::read_text_attribute(file, "decoder", context), context.file),
          gist_from_json(hdf5::read_text_attribute(file, "gist", context), context.file),
          hdf5::read_text_attribute(file, "tokenizer", context)};
}

// "model.width is 256 in the file, 512 wanted" for the first key on which two JSON objects differ.
std::string difference(const std::string& stored, const std::string& wanted,
                       const std::string& prefix) {
  const auto left = nlohmann::json::parse(stored);
  const auto right = nlohmann::json::parse(wanted);
  for (const auto& [key, value] : left.items()) {
    if (right.at(key) == value) continue;
    return fmt::format("{}.{} is {} there, {} here", prefix, key, value.dump(),
                       right.at(key).dump());
  }
  return "";
}

}  // namespace

std::string first_difference(const ModelDescription& stored, const ModelDescription& wanted) {
  // None of these changes what the weights mean.
  DecoderConfig left = stored.decoder;
  left.dropout = wanted.decoder.dropout;
  left.init_std = wanted.decoder.init_std;
  left.embedding_std = wanted.decoder.embedding_std;
  left.max_positions = wanted.decoder.max_positions;
  std::string text = difference(to_json(left), to_json(wanted.decoder), "model");
  if (text.empty() && stored.gist.levels() != wanted.gist.levels()) {
    text = fmt::format("gist.chunks has {} levels there, {} here", stored.gist.levels(),
                       wanted.gist.levels());
  }
  if (text.empty() && stored.gist.links != wanted.gist.links) {
    text = fmt::format("gist.links is {} there, {} here", stored.gist.links, wanted.gist.links);
  }
  if (text.empty() && stored.tokenizer_fingerprint != wanted.tokenizer_fingerprint) {
    text = "the tokenizer is another one";
  }
  return text;
}

void write_model(const std::filesystem::path& file, const ModelDescription& description,
                 const std::function<Tensor(const ParameterSpec&)>& value) {
  const hdf5::Context context = {"model", file.string(),
                                 "free some space or choose another folder"};
  hdf5::Handle handle = hdf5::create_file(context);
  hdf5::write_attribute(handle.get(), "format", kFormat, context);
  hdf5::write_attribute(handle.get(), "decoder", to_json(description.decoder), context);
  hdf5::write_attribute(handle.get(), "gist", to_json(description.gist), context);
  hdf5::write_attribute(handle.get(), "tokenizer", description.tokenizer_fingerprint, context);
  for (const ParameterSpec& spec : parameter_table(description.decoder, description.gist.rows())) {
    if (!spec.tied_to.empty()) continue;
    hdf5::write_tensor(handle.get(), "weights/" + spec.name, value(spec), context);
  }
  hdf5::finish_file(std::move(handle), context);
}

void write_model(const std::filesystem::path& file, const Decoder& decoder,
                 const ModelDescription& description, const ParameterValues& weights) {
  write_model(file, description, [&](const ParameterSpec& spec) {
    const Parameter& parameter = decoder.parameter(spec.name);
    const Tensor value = weights ? weights(parameter) : parameter.variable.value();
    return value.to(core::accumulator_of(value.dtype()));
  });
}

void for_each_weight(const std::filesystem::path& file,
                     const std::function<void(const ParameterSpec&, const Tensor&)>& take) {
  const hdf5::Context context = context_of(file);
  const hdf5::Handle handle = hdf5::open_file(context);
  const ModelDescription stored = read_description(handle.get(), context);
  for (const ParameterSpec& spec : parameter_table(stored.decoder, stored.gist.rows())) {
    if (!spec.tied_to.empty()) continue;
    const Tensor value = Tensor::empty(spec.shape, core::DType::float32);
    hdf5::read_tensor(handle.get(), "weights/" + spec.name, value, context);
    take(spec, value);
  }
}

ModelDescription read_model_description(const std::filesystem::path& file) {
  const hdf5::Context context = context_of(file);
  const hdf5::Handle handle = hdf5::open_file(context);
  return read_description(handle.get(), context);
}

void read_weights(const std::filesystem::path& file, Decoder& decoder,
                  const std::function<void(const Parameter&, const Tensor&)>& keep) {
  const hdf5::Context context = context_of(file);
  const hdf5::Handle handle = hdf5::open_file(context);
  const ModelDescription stored = read_description(handle.get(), context);
  ModelDescription wanted = stored;
  wanted.decoder = decoder.config();
  wanted.gist.chunks.resize(static_cast<std::size_t>(decoder.gist_levels()), 1);
  wanted.gist.links = decoder.links();
  const std::string other = first_difference(stored, wanted);
  core::require(other.empty(), "model", "{}: a checkpoint of another architecture: {}",
                context.file, other);
  for (const Parameter& parameter : decoder.parameters()) {
    if (!parameter.spec.tied_to.empty()) continue;
    const Tensor value = Tensor::empty(parameter.spec.shape, core::accumulator_of(decoder.dtype()));
    hdf5::read_tensor(handle.get(), "weights/" + parameter.spec.name, value, context);
    core::kernels::copy(value.to(decoder.dtype()).to(decoder.device()), parameter.variable.value());
    if (keep) keep(parameter, value);
  }
}

}  // namespace unfold::models
