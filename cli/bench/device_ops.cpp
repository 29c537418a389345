#include "cli/bench/device_ops.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autograd/ops/cross_entropy.h"
#include "cli/bench/device_timing.h"
#include "core/cuda/runtime.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/nn.h"
#include "core/kernels/optimizer.h"
#include "core/kernels/reduce.h"
#include "core/log.h"
#include "gsa/block_map.h"
#include "gsa/kernels/attention.h"
#include "train/plan.h"

namespace unfold::cli::bench {
namespace {

namespace kernels = core::kernels;
using core::DType;
using core::Tensor;
using Call = std::function<void()>;

// Several sets of tensors take this much memory together: more than any cache holds.
constexpr double kBytesOfAllSets = 256e6;

class OpTable {
 public:
  OpTable(const DeviceOpsOptions& options, const core::Roofline& roofline)
      : options_(options), roofline_(roofline) {
    section_.key = "ops";
    section_.columns = {{"op", "op"},
                        {"size", "size"},
                        {"ms", "ms", 4},
                        {"gb_per_second", "GB/s", 0},
                        {"tflops", "TFLOP/s", options.device.is_cpu() ? 4 : 1},
                        {"roofline_percent", "of roofline %", 1}};
  }

  // make: a call on tensors of its own. bytes and flops are those of a call; 0 flops: an op whose
  // arithmetic does not count.
  void add(const std::string& name, const std::string& size, double bytes, double flops,
           const std::function<Call()>& make) {
    const int sets = static_cast<int>(std::clamp(std::ceil(kBytesOfAllSets / bytes), 1.0, 8.0));
    std::vector<Call> calls;
    for (int i = 0; i < sets; ++i) calls.push_back(make());
    std::size_t next = 0;
    const double seconds = median_seconds(options_.device, options_.seconds, [&] {
      calls[next]();
      next = (next + 1) % calls.size();
    });
    section_.rows.push_back({name, size, seconds * 1e3, bytes / seconds * 1e-9,
                             flops > 0 ? Cell(flops / seconds * 1e-12) : Cell(),
                             roofline_.seconds(flops, bytes) / seconds * 100});
  }

  Tensor values(const core::Shape& shape, DType dtype = DType::bfloat16) {
    return random_values(shape, dtype, options_.device, ++stream_);
  }
  Tensor integers(std::int64_t count, std::int64_t bound) {
    return random_integers(count, bound, options_.device, ++stream_);
  }

  Section take() { return std::move(section_); }

 private:
  const DeviceOpsOptions& options_;
  core::Roofline roofline_;
  Section section_;
  std::uint64_t stream_ = 0;
};

std::string by(std::int64_t a, std::int64_t b) {
  return fmt::format("{} x {}", a, b);
}

double product(std::int64_t a, std::int64_t b) {
  return static_cast<double>(a) * static_cast<double>(b);
}

void add_elementwise(OpTable& table, std::int64_t n, std::int64_t w) {
  const double size = product(n, w);
  const std::string shape = by(n, w);
  table.add("fill", shape, 2 * size, 0, [&] {
    return [y = table.values({n, w})] { kernels::fill(y, 0.0); };
  });
  table.add("copy", shape, 4 * size, 0, [&] {
    return [x = table.values({n, w}), y = table.values({n, w})] { kernels::copy(x, y); };
  });
  table.add("copy to float32", shape, 6 * size, 0, [&] {
    return [x = table.values({n, w}), y = table.values({n, w}, DType::float32)] {
      kernels::copy(x, y);
    };
  });
  table.add("copy transposed", shape, 4 * size, 0, [&] {
    return [x = table.values({n, w}).transpose(0, 1), y = table.values({w, n})] {
      kernels::copy(x, y);
    };
  });
  table.add("add", shape, 6 * size, 0, [&] {
    return [a = table.values({n, w}), b = table.values({n, w}), y = table.values({n, w})] {
      kernels::add(a, b, y);
    };
  });
  table.add("multiply", shape, 6 * size, 0, [&] {
    return [a = table.values({n, w}), b = table.values({n, w}), y = table.values({n, w})] {
      kernels::multiply(a, b, y);
    };
  });
  table.add("scale", shape, 4 * size, 0, [&] {
    return [x = table.values({n, w}), y = table.values({n, w})] { kernels::scale(x, 0.5, y); };
  });
  table.add("accumulate", shape, 6 * size, 0, [&] {
    return [x = table.values({n, w}), y = table.values({n, w})] { kernels::accumulate(x, 0.5, y); };
  });
  table.add("dropout", shape, 4 * size, 0, [&] {
    return [x = table.values({n, w}), y = table.values({n, w})] {
      kernels::dropout(x, 0.1, 1, 2, 0, y);
    };
  });
}

void add_sums(OpTable& table, const core::Device& device, std::int64_t n, std::int64_t w,
              std::int64_t vocabulary) {
  const double size = product(n, w);
  table.add("sum", by(n, w), 2 * size, 0, [&] {
    return [x = table.values({n, w}), y = Tensor::zeros({}, DType::float32, device)] {
      kernels::sum(x, y);
    };
  });
  table.add("add_column_sums", by(n, w), 2 * size, 0, [&] {
    return [x = table.values({n, w}), y = Tensor::zeros({w}, DType::float32, device)] {
      kernels::add_column_sums(x, y);
    };
  });
  table.add("add_squared_norm", by(vocabulary, w) + " float32", 4 * product(vocabulary, w), 0, [&] {
    return [x = table.values({vocabulary, w}, DType::float32),
            y = Tensor::zeros({}, DType::float64, device)] { kernels::add_squared_norm(x, y); };
  });
}

void add_layers(OpTable& table, const DeviceOpsOptions& options, std::int64_t n) {
  const models::DecoderConfig& model = options.model;
  const core::Device device = options.device;
  const std::int64_t w = model.width;
  const std::int64_t f = model.ffn;
  const std::int64_t d = model.head_width();
  const std::int64_t rotated = model.heads + model.kv_heads;
  const std::int64_t qkv = (model.heads + 2 * model.kv_heads) * d;
  const double size = product(n, w);
  table.add("rms_norm", by(n, w), 4 * size, 0, [&] {
    return [x = table.values({n, w}), weight = table.values({w}), y = table.values({n, w}),
            rms = Tensor::zeros({n}, DType::float32, device)] {
      kernels::rms_norm(x, weight, 1e-5, y, rms);
    };
  });
  table.add("rms_norm_backward", by(n, w), 6 * size, 0, [&] {
    return [dy = table.values({n, w}), x = table.values({n, w}), weight = table.values({w}),
            rms = Tensor::full({n}, 3.0, DType::float32, device), dx = table.values({n, w}),
            dweight = Tensor::zeros({w}, DType::float32, device)] {
      kernels::rms_norm_backward(dy, x, weight, rms, dx, false, dweight, Tensor());
    };
  });
  table.add("rope", by(n, qkv), 4 * product(n, qkv), 0, [&] {
    return [x = table.values({n, qkv}), positions = table.integers(n, options.row_length),
            angles = table.values({options.row_length, d}, DType::float32), rotated,
            y = table.values({n, qkv})] { kernels::rope(x, positions, angles, rotated, false, y); };
  });
  table.add("swiglu", by(n, 2 * f), 6 * product(n, f), 0, [&] {
    return [x = table.values({n, 2 * f}), y = table.values({n, f})] { kernels::swiglu(x, y); };
  });
  table.add("swiglu_backward", by(n, 2 * f), 10 * product(n, f), 0, [&] {
    return [dy = table.values({n, f}), x = table.values({n, 2 * f}),
            dx = table.values({n, 2 * f})] { kernels::swiglu_backward(dy, x, dx, Tensor()); };
  });
  table.add("smooth_l1", by(n, w), 4 * size, 0, [&] {
    return
        [x = table.values({n, w}), y = table.values({n, w}),
         losses = Tensor::zeros({n}, DType::float32, device)] { kernels::smooth_l1(x, y, losses); };
  });
  table.add("smooth_l1_backward", by(n, w), 6 * size, 0, [&] {
    return [dlosses = Tensor::full({n}, 1.0, DType::float32, device), x = table.values({n, w}),
            y = table.values({n, w}),
            dx = table.values({n, w})] { kernels::smooth_l1_backward(dlosses, x, y, dx); };
  });
}

void add_tables(OpTable& table, const DeviceOpsOptions& options, std::int64_t n) {
  const core::Device device = options.device;
  const std::int64_t w = options.model.width;
  const std::int64_t v = options.model.vocab_size;
  const std::int64_t r = autograd::cross_entropy_rows(device, DType::bfloat16, v, n);
  const double size = product(n, w);
  table.add("embedding", by(n, w), 4 * size, 0, [&] {
    return [weight = table.values({v, w}), ids = table.integers(n, v), y = table.values({n, w})] {
      kernels::embedding(weight, ids, y);
    };
  });
  table.add("embedding_backward", by(n, w), 10 * size, 0, [&] {
    return [dy = table.values({n, w}), ids = table.integers(n, v),
            dweight = Tensor::zeros({v, w}, DType::float32, device)] {
      kernels::embedding_backward(dy, ids, 0, dweight);
    };
  });
  table.add("gather_rows", by(n, w), 4 * size, 0, [&] {
    return [x = table.values({n, w}), index = table.integers(n, n), y = table.values({n, w})] {
      kernels::gather_rows(x, index, y);
    };
  });
  table.add("scatter_add_rows", by(n, w), 10 * size, 0, [&] {
    return [x = table.values({n, w}), index = table.integers(n, n),
            y = Tensor::zeros({n, w}, DType::float32, device)] {
      kernels::scatter_add_rows(x, index, y);
    };
  });
  table.add("cross_entropy", by(r, v), 4 * product(r, v), 0, [&] {
    return [logits = table.values({r, v}), targets = table.integers(r, v),
            losses = Tensor::zeros({r}, DType::float32, device)] {
      kernels::cross_entropy(logits, targets, true, losses);
    };
  });
  // Reads and writes master and both moments, reads the gradient, writes the parameter.
  table.add("adamw", by(v, w), 30 * product(v, w), 0, [&] {
    return [master = table.values({v, w}, DType::float32),
            gradient = table.values({v, w}, DType::float32),
            m = Tensor::zeros({v, w}, DType::float32, device),
            v2 = Tensor::zeros({v, w}, DType::float32, device), weight = table.values({v, w})] {
      kernels::adamw(master, gradient, m, v2, weight, kernels::AdamWStep{.lr = 1e-6}, 1.0);
    };
  });
}

// The three products of a layer y = x w^T: forward, and the gradients of x and of w, the latter in
// float32.
void add_products(OpTable& table, const std::string& name, std::int64_t rows, std::int64_t outputs,
                  std::int64_t inputs) {
  const double flops = 2 * product(rows, outputs) * static_cast<double>(inputs);
  const double x_bytes = 2 * product(rows, inputs);
  const double w_bytes = 2 * product(outputs, inputs);
  const double y_bytes = 2 * product(rows, outputs);
  const std::string size = fmt::format("{} x {} x {}", rows, outputs, inputs);
  table.add("matmul " + name, size, x_bytes + w_bytes + y_bytes, flops, [&] {
    return [x = table.values({rows, inputs}), w = table.values({outputs, inputs}),
            y = table.values({rows, outputs})] { kernels::matmul(x, false, w, true, 1.0, 0.0, y); };
  });
  table.add("linear " + name, size, x_bytes + w_bytes + 2 * y_bytes, flops, [&] {
    return [x = table.values({rows, inputs}), w = table.values({outputs, inputs}), bias = Tensor(),
            residual = table.values({rows, outputs}),
            y = table.values({rows, outputs})] { kernels::linear(x, w, bias, residual, y); };
  });
  table.add("matmul " + name + " dx", size, x_bytes + w_bytes + y_bytes, flops, [&] {
    return
        [dy = table.values({rows, outputs}), w = table.values({outputs, inputs}),
         dx = table.values({rows, inputs})] { kernels::matmul(dy, false, w, false, 1.0, 0.0, dx); };
  });
  table.add("matmul " + name + " dw", size, x_bytes + y_bytes + 4 * w_bytes, flops, [&] {
    return [dy = table.values({rows, outputs}), x = table.values({rows, inputs}),
            dw = table.values({outputs, inputs}, DType::float32)] {
      kernels::matmul(dy, true, x, false, 1.0, 1.0, dw);
    };
  });
}

void add_attention(OpTable& table, const DeviceOpsOptions& options, bool with_gists) {
  const models::DecoderConfig& model = options.model;
  const gsa::AttentionShape shape = {model.heads, model.kv_heads, model.head_width()};
  gsa::GistConfig gist;
  gist.chunks.clear();
  if (with_gists) gist.chunks = {options.chunk};
  gist.sinks = 4;
  const data::Batch batch = train::full_rows(gist, 16, options.rows, options.row_length);
  const auto map = std::make_shared<const gsa::BlockMap>(
      gsa::make_block_map(batch.layout, gist, gsa::Visibility::gist));
  const std::int64_t n = batch.layout.size();
  const double work = 4 * static_cast<double>(gsa::count_visible_pairs(map->reach)) *
                      static_cast<double>(shape.heads * shape.width);
  const double qkv_bytes = 2 * product(n, shape.qkv_width());
  const double out_bytes = 2 * product(n, shape.out_width());
  const std::string kind = with_gists ? fmt::format("gist {}", options.chunk) : "causal";
  const std::string size = by(options.rows, options.row_length);
  const Tensor lse = Tensor::zeros({n, shape.heads}, DType::float32, options.device);
  table.add("attention " + kind, size, qkv_bytes + out_bytes, work, [&] {
    return [qkv = table.values({n, shape.qkv_width()}), out = table.values({n, shape.out_width()}),
            lse, shape, map] { gsa::kernels::attention(qkv, shape, *map, out, lse); };
  });
  table.add("attention_backward " + kind, size, 2 * qkv_bytes + 2 * out_bytes, 2.5 * work, [&] {
    const Tensor qkv = table.values({n, shape.qkv_width()});
    const Tensor out = table.values({n, shape.out_width()});
    gsa::kernels::attention(qkv, shape, *map, out, lse);
    return [dout = table.values({n, shape.out_width()}), qkv, out, lse, shape, map,
            dqkv = table.values({n, shape.qkv_width()})] {
      gsa::kernels::attention_backward(dout, qkv, out, lse, shape, *map, dqkv);
    };
  });
}

}  // namespace

models::DecoderConfig smollm2_135m() {
  models::DecoderConfig model;
  model.vocab_size = 49152;
  model.width = 576;
  model.layers = 30;
  model.heads = 9;
  model.kv_heads = 3;
  model.ffn = 1536;
  model.rope.theta = 1e5;
  return model;
}

MeasuredRoofline measure_rooflines(const DeviceOpsOptions& options) {
  const std::int64_t extent = options.quick ? 64 : 0;
  // A few gigabytes, read and written, on a GPU.
  const std::int64_t bytes = options.quick             ? 1 << 16
                             : options.device.is_cpu() ? 0
                                                       : std::int64_t{1} << 31;
  MeasuredRoofline roofline;
  roofline.bfloat16.bytes = core::measure_copy_bytes(options.device, bytes);
  roofline.float32.bytes = roofline.bfloat16.bytes;
  roofline.bfloat16.flops = core::measure_matmul_flops(options.device, DType::bfloat16, extent);
  roofline.float32.flops = core::measure_matmul_flops(options.device, DType::float32, extent);
  return roofline;
}

Section roofline_section(const DeviceOpsOptions& options, const MeasuredRoofline& roofline) {
  std::optional<core::Datasheet> sheet;
  if (options.device.type == core::DeviceType::cuda) {
    sheet = core::datasheet_of(core::cuda::device_name(options.device.index));
  }
  Section section;
  section.key = "roofline";
  section.title = fmt::format("roofline of {}", core::name_of(options.device));
  section.columns = {{"what", "what"},
                     {"measured", "measured", 2},
                     {"datasheet", "datasheet", 0},
                     {"percent", "%", 1},
                     {"unit", "unit"}};
  const auto add = [&](const char* what, double measured, std::optional<double> by_sheet,
                       double unit, const char* name) {
    section.rows.push_back({what, measured / unit, by_sheet ? Cell(*by_sheet / unit) : Cell(),
                            by_sheet ? Cell(measured / *by_sheet * 100) : Cell(), name});
  };
  const auto of_sheet = [&](double core::Datasheet::*member) {
    return sheet ? std::optional<double>((*sheet).*member) : std::nullopt;
  };
  add("copy, read and written", roofline.bfloat16.bytes, of_sheet(&core::Datasheet::bytes), 1e9,
      "GB/s");
  add("matmul bfloat16", roofline.bfloat16.flops, of_sheet(&core::Datasheet::bfloat16_flops), 1e12,
      "TFLOP/s");
  add("matmul float32", roofline.float32.flops, of_sheet(&core::Datasheet::float32_flops), 1e12,
      "TFLOP/s");
  return section;
}

Section device_ops_section(const DeviceOpsOptions& options, const core::Roofline& roofline) {
  const models::DecoderConfig& model = options.model;
  const std::int64_t n = options.rows * options.row_length;
  const std::int64_t w = model.width;
  const std::int64_t query = model.heads * model.head_width();
  const std::int64_t key = model.kv_heads * model.head_width();
  OpTable table(options, roofline);
  core::log::info("element by element");
  add_elementwise(table, n, w);
  add_sums(table, options.device, n, w, model.vocab_size);
  core::log::info("layers");
  add_layers(table, options, n);
  add_tables(table, options, n);
  core::log::info("matrix products");
  add_products(table, "qkv", n, query + 2 * key, w);
  add_products(table, "out", n, w, query);
  add_products(table, "gate_up", n, 2 * model.ffn, w);
  add_products(table, "down", n, w, model.ffn);
  add_products(table, "head",
               autograd::cross_entropy_rows(options.device, DType::bfloat16, model.vocab_size, n),
               model.vocab_size, w);
  core::log::info("attention");
  add_attention(table, options, false);
  add_attention(table, options, true);
  Section section = table.take();
  section.title = fmt::format(
      "ops on {}, bfloat16: width {}, heads {} on {} of {}, MLP {}, vocabulary {}, {} "
      "rows of {}",
      core::name_of(options.device), w, model.heads, model.kv_heads, model.head_width(), model.ffn,
      model.vocab_size, options.rows, options.row_length);
  section.notes = {
      "of roofline: the time that reading and writing its tensors once, or its arithmetic, takes "
      "at",
      "the least, over the time the op takes; dx, dw: gradients of a product's input and weight"};
  return section;
}

}  // namespace unfold::cli::bench
