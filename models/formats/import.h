// Weights of any source as a model of ours: walks the parameter table, in which every block of rows
// has its Hugging Face name, tensor by tensor.
#pragma once

#include <filesystem>

#include "models/decoder.h"
#include "models/formats/model_file.h"
#include "models/formats/weight_source.h"

namespace unfold::models {

// One parameter, float32 on the CPU. Rows of gists and links that the source lacks are the mean of
// the raw rows (METHOD.md section 2); an export of ours has them behind the raw ones. NaN and
// infinite weights are warned of. Throws core::UserError naming source and tensor: missing, or of
// another shape.
core::Tensor imported_value(const WeightSource& source, const ParameterSpec& spec);

// Throws core::UserError when the source holds a tensor of a decoder that this one has no place for
// (a bias, a norm): without it the model would compute something else.
void require_all_used(const WeightSource& source);

// Into a file (model.h5), with never more than one parameter in memory.
void import_model(const WeightSource& source, const ModelDescription& description,
                  const std::filesystem::path& file);

// Into a decoder of the source's shape, rounding to its dtype.
void import_weights(const WeightSource& source, Decoder& decoder);

}  // namespace unfold::models
