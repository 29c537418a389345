#include "models/initialise.h"

#include <vector>

#include "core/kernels/elementwise.h"
#include "core/parallel.h"
#include "core/random.h"

namespace unfold::models {
namespace {

constexpr std::uint64_t kStream =
    0x696e6974;  // keeps initial values apart from other random numbers

template <typename T>
void mean_into_last_rows(const core::Tensor& matrix, std::int64_t gist_rows) {
  const std::int64_t raw_rows = matrix.dim(0) - gist_rows;
  const std::int64_t width = matrix.dim(1);
  T* values = matrix.data<T>();
  std::vector<double> mean(static_cast<std::size_t>(width), 0.0);
  for (std::int64_t row = 0; row < raw_rows; ++row) {
    for (std::int64_t i = 0; i < width; ++i) {
      mean[static_cast<std::size_t>(i)] += static_cast<double>(values[row * width + i]);
    }
  }
  for (std::int64_t row = raw_rows; row < matrix.dim(0); ++row) {
    for (std::int64_t i = 0; i < width; ++i) {
      values[row * width + i] =
          static_cast<T>(mean[static_cast<std::size_t>(i)] / static_cast<double>(raw_rows));
    }
  }
}

}  // namespace

void fill_gist_rows(const core::Tensor& matrix, std::int64_t gist_rows) {
  core::check(matrix.rank() == 2 && gist_rows < matrix.dim(0), "initialise",
              "{} gist rows of a matrix {}", gist_rows, core::to_string(matrix.shape()));
  if (gist_rows == 0) return;
  if (matrix.dtype() == core::DType::float64) {
    mean_into_last_rows<double>(matrix, gist_rows);
  } else {
    mean_into_last_rows<float>(matrix, gist_rows);
  }
}

core::Tensor initial_value(const ParameterSpec& spec, std::uint64_t seed, std::uint64_t index) {
  const core::Tensor value = core::Tensor::empty(spec.shape, core::DType::float32);
  if (spec.init != Init::normal) {
    core::kernels::fill(value, spec.init == Init::ones ? 1.0 : 0.0);
    return value;
  }
  // One random stream a row: rows can be filled in any order.
  const std::int64_t rows = spec.shape[0];
  const std::int64_t width = value.size() / rows;
  float* out = value.data<float>();
  core::parallel_for(rows, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      core::Random random(seed, (kStream << 32) ^ (index << 24) ^ static_cast<std::uint64_t>(row));
      for (std::int64_t i = 0; i < width; ++i) {
        out[row * width + i] = static_cast<float>(spec.std * random.normal());
      }
    }
  });
  fill_gist_rows(value, spec.gist_rows);
  return value;
}

}  // namespace unfold::models
