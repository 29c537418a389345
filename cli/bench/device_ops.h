// unfold bench gpu: what a device can do, and how near each op of core and gsa comes to it at the
// sizes of a model.
#pragma once

#include <cstdint>

#include "cli/bench/section.h"
#include "core/device.h"
#include "core/roofline.h"
#include "models/decoder_config.h"

namespace unfold::cli::bench {

struct DeviceOpsOptions {
  core::Device device;
  models::DecoderConfig model;  // whose sizes the tensors have; vocab_size set
  std::int64_t rows = 8;
  std::int64_t row_length = 4096;
  std::int64_t chunk = 16;  // of gist attention
  double seconds = 0.1;     // to measure an op for
  bool quick = false;       // a small roofline, for tests
};

// SmolLM2-135M: width 576, 30 layers, 9 heads of 64 on 3 key/value heads, MLP 1536, vocabulary
// 49152.
models::DecoderConfig smollm2_135m();

struct MeasuredRoofline {
  core::Roofline bfloat16;
  core::Roofline float32;
};
MeasuredRoofline measure_rooflines(const DeviceOpsOptions& options);

// Copies, and bfloat16 and float32 products, measured and by the datasheet.
Section roofline_section(const DeviceOpsOptions& options, const MeasuredRoofline& roofline);

// One row an op, in bfloat16. Bytes are those an op has to read and write; its share of the
// roofline is the time that its bytes or its arithmetic take at the least over the time it takes.
// Calls take turns with several sets of tensors, so that a cache does not hold them.
Section device_ops_section(const DeviceOpsOptions& options, const core::Roofline& roofline);

}  // namespace unfold::cli::bench
