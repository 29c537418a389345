// Initial values of parameters.
#pragma once

#include <cstdint>

#include "core/tensor.h"
#include "models/parameter_table.h"

namespace unfold::models {

// float32 values on the CPU: a function of (spec, seed, index of the parameter in its table).
// Gist rows are the mean of the raw rows (METHOD.md section 2).
core::Tensor initial_value(const ParameterSpec& spec, std::uint64_t seed, std::uint64_t index);

// Overwrites the gist rows of a vocabulary matrix (rows, width), float32 or float64 on the CPU, by
// the mean of the rows before them.
void fill_gist_rows(const core::Tensor& matrix, std::int64_t gist_rows);

}  // namespace unfold::models
