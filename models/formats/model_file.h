// model.h5: the weights of a decoder with all that is needed to build it again.
//
// Datasets weights/NAME (models/parameter_table.h) in float32 (float64 for float64 models), each
// with a checksum; attributes: format, decoder (JSON), gist (JSON), tokenizer (fingerprint).
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "gsa/gist_config.h"
#include "models/decoder.h"

namespace unfold::models {

struct ModelDescription {
  DecoderConfig decoder;
  gsa::GistConfig gist;
  std::string tokenizer_fingerprint;
};

// Gives the values to store for a parameter, e.g. an optimizer's float32 master.
using ParameterValues = std::function<core::Tensor(const Parameter&)>;

// Writes, flushes and fsyncs the file. weights: empty stores the parameters themselves.
void write_model(const std::filesystem::path& file, const Decoder& decoder,
                 const ModelDescription& description, const ParameterValues& weights = {});

// The same without a decoder: `value` gives the tensor of one parameter after the other, float32 or
// float64, and only one is in memory at a time. Tied parameters are not asked for.
void write_model(const std::filesystem::path& file, const ModelDescription& description,
                 const std::function<core::Tensor(const ParameterSpec&)>& value);

// Gives the tensors of a file in float32, one after the other; tied ones are left out.
void for_each_weight(const std::filesystem::path& file,
                     const std::function<void(const ParameterSpec&, const core::Tensor&)>& take);

// The description alone. Throws core::UserError for a missing, damaged or foreign file.
ModelDescription read_model_description(const std::filesystem::path& file);

// Reads the weights into a decoder of the same architecture, rounding to its dtype; `keep`, if set,
// also receives every tensor as stored. A file of another architecture is a core::UserError that
// names the first field that differs.
void read_weights(const std::filesystem::path& file, Decoder& decoder,
                  const std::function<void(const Parameter&, const core::Tensor&)>& keep = {});

// Names the first field on which the two differ, with both values; empty when they agree.
std::string first_difference(const ModelDescription& stored, const ModelDescription& wanted);

}  // namespace unfold::models
