#include "cli/bench/matmul_bench.h"

#include <fmt/core.h>

#include <Eigen/Core>
#include <algorithm>
#include <string>
#include <vector>

#include "autograd/ops/cross_entropy.h"
#include "cli/bench/model.h"
#include "cli/bench/timing.h"
#include "core/kernels/matmul.h"
#include "core/parallel.h"
#include "core/random.h"
#include "core/tensor.h"

namespace unfold::cli::bench {
namespace {

using core::Tensor;
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using View = Eigen::Map<Matrix>;

// y (rows, outputs) = x (rows, inputs) w^T
struct Layer {
  const char* name;
  std::int64_t rows;
  std::int64_t outputs;
  std::int64_t inputs;
};

std::vector<Layer> layers() {
  const models::DecoderConfig model = model_config();
  const std::int64_t rows = kRows * kRowLength;
  const std::int64_t query = model.heads * model.head_width();
  const std::int64_t key = model.kv_heads * model.head_width();
  return {{"qkv", rows, query + 2 * key, model.width},
          {"out", rows, model.width, query},
          {"gate_up", rows, 2 * model.ffn, model.width},
          {"down", rows, model.width, model.ffn},
          {"head", autograd::kCrossEntropyRows, model.vocab_size, model.width}};
}

Tensor random_matrix(std::int64_t rows, std::int64_t columns, std::uint64_t stream) {
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  core::Random random(1, stream);
  for (float& value : values) value = static_cast<float>(random.uniform() - 0.5);
  return Tensor::from(values, {rows, columns});
}

View view(const Tensor& x) {
  return {x.data<float>(), x.dim(0), x.dim(1)};
}

// Eigen cuts its work by its own number of threads while an instance lives.
class EigenThreads {
 public:
  explicit EigenThreads(int count) : previous_(Eigen::nbThreads()) { Eigen::setNbThreads(count); }
  ~EigenThreads() { Eigen::setNbThreads(previous_); }
  EigenThreads(const EigenThreads&) = delete;
  EigenThreads& operator=(const EigenThreads&) = delete;

 private:
  int previous_;
};

}  // namespace

Section matmul_section(double seconds) {
  Section section;
  section.key = "matmul";
  section.title = fmt::format("matrix products, float32, {} threads", core::thread_count());
  section.columns = {{"product", "product"},
                     {"m", "m"},
                     {"n", "n"},
                     {"k", "k"},
                     {"gflops", "GFLOP/s", 1},
                     {"eigen_gflops", "Eigen's", 1},
                     {"ratio", "ratio", 2}};
  double ours_total = 0;
  double eigen_total = 0;
  const auto add = [&](const std::string& name, const Tensor& a, bool transpose_a, const Tensor& b,
                       bool transpose_b, const Tensor& c) {
    const auto ours = [&] { core::kernels::matmul(a, transpose_a, b, transpose_b, 1.0, 0.0, c); };
    const auto eigen = [&] {
      const EigenThreads threads(core::thread_count());
      View out = view(c);
      if (transpose_a) {
        out.noalias() = view(a).transpose() * view(b);
      } else if (transpose_b) {
        out.noalias() = view(a) * view(b).transpose();
      } else {
        out.noalias() = view(a) * view(b);
      }
    };
    const std::vector<double> best = fastest_of(seconds, 3, ours, eigen);
    const auto inner = static_cast<double>(transpose_a ? a.dim(0) : a.dim(1));
    const double work = 2e-9 * static_cast<double>(c.size()) * inner;
    section.rows.push_back({name, static_cast<double>(c.dim(0)), static_cast<double>(c.dim(1)),
                            inner, work / best[0], work / best[1], best[1] / best[0]});
    ours_total += best[0];
    eigen_total += best[1];
  };
  for (const Layer& layer : layers()) {
    const Tensor x = random_matrix(layer.rows, layer.inputs, 1);
    const Tensor w = random_matrix(layer.outputs, layer.inputs, 2);
    const Tensor y = random_matrix(layer.rows, layer.outputs, 3);
    const std::string name = layer.name;
    add(name + " y = x w^T", x, false, w, true, y.clone());
    add(name + " dx = dy w", y, false, w, false, x.clone());
    add(name + " dw = dy^T x", y, true, x, false, w.clone());
  }
  section.notes.push_back(fmt::format(
      "all products together: {:.2f} times the speed of Eigen's own", eigen_total / ours_total));
  return section;
}

}  // namespace unfold::cli::bench
