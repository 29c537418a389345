#include "models/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace unfold::models {
namespace {

constexpr double kTwoPi = 2.0 * std::numbers::pi;

std::vector<double> plain_frequencies(double theta, std::int64_t head_width) {
  std::vector<double> frequencies(static_cast<std::size_t>(head_width / 2));
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] =
        std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_width));
  }
  return frequencies;
}

// Long wavelengths are stretched by `factor`, short ones kept, those between blended.
void scale_llama3(const RopeConfig& config, std::vector<double>& frequencies) {
  const auto context = static_cast<double>(config.original_context);
  for (double& frequency : frequencies) {
    const double turns = context * frequency / kTwoPi;  // of this pair over the original context
    const double keep = std::clamp((turns - config.low_frequency_factor) /
                                       (config.high_frequency_factor - config.low_frequency_factor),
                                   0.0, 1.0);
    frequency = keep * frequency + (1.0 - keep) * frequency / config.factor;
  }
}

// The pair index whose wavelength makes `turns` turns over the original context.
double yarn_pair(const RopeConfig& config, std::int64_t head_width, double turns) {
  return static_cast<double>(head_width) *
         std::log(static_cast<double>(config.original_context) / (turns * kTwoPi)) /
         (2.0 * std::log(config.theta));
}

void scale_yarn(const RopeConfig& config, std::int64_t head_width,
                std::vector<double>& frequencies) {
  const double low = std::max(0.0, std::floor(yarn_pair(config, head_width, config.beta_fast)));
  double high = std::min(static_cast<double>(head_width - 1),
                         std::ceil(yarn_pair(config, head_width, config.beta_slow)));
  if (high == low) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double stretch = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] * (1.0 - stretch) + frequencies[i] / config.factor * stretch;
  }
}

}  // namespace

std::vector<double> rope_frequencies(const RopeConfig& config, std::int64_t head_width,
                                     std::int64_t positions) {
  std::vector<double> frequencies = plain_frequencies(config.theta, head_width);
  switch (config.scaling) {
    case RopeScaling::none:
      break;
    case RopeScaling::linear:
      for (double& frequency : frequencies) frequency /= config.factor;
      break;
    case RopeScaling::dynamic:
      if (positions > config.original_context) {
        const double ratio = config.factor * static_cast<double>(positions) /
                                 static_cast<double>(config.original_context) -
                             (config.factor - 1.0);
        const auto width = static_cast<double>(head_width);
        frequencies =
            plain_frequencies(config.theta * std::pow(ratio, width / (width - 2.0)), head_width);
      }
      break;
    case RopeScaling::yarn:
      scale_yarn(config, head_width, frequencies);
      break;
    case RopeScaling::llama3:
      scale_llama3(config, frequencies);
      break;
  }
  return frequencies;
}

core::Tensor rope_table(const RopeConfig& config, std::int64_t head_width, std::int64_t positions,
                        core::DType dtype, core::Device device) {
  const std::vector<double> frequencies = rope_frequencies(config, head_width, positions);
  // YaRN also sharpens attention by scaling queries and keys, which is done here, on both.
  double magnitude = 1.0;
  if (config.scaling == RopeScaling::yarn) {
    if (config.factor > 1.0) magnitude = 0.1 * std::log(config.factor) + 1.0;
    if (config.attention_factor > 0) magnitude = config.attention_factor;
  }
  const std::size_t half = frequencies.size();
  std::vector<double> angles(static_cast<std::size_t>(positions * head_width));
  for (std::int64_t position = 0; position < positions; ++position) {
    double* row = angles.data() + position * head_width;
    for (std::size_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(position) * frequencies[i];
      row[i] = magnitude * std::cos(angle);
      row[half + i] = magnitude * std::sin(angle);
    }
  }
  return core::Tensor::from(angles, {positions, head_width}).to(dtype).to(device);
}

}  // namespace unfold::models
