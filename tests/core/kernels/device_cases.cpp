#include "tests/core/kernels/device_cases.h"

#include <array>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "core/kernels/elementwise.h"
#include "core/kernels/matmul.h"
#include "core/kernels/nn.h"
#include "core/kernels/optimizer.h"
#include "core/kernels/reduce.h"
#include "core/kernels/row_linear.h"
#include "core/random.h"

namespace unfold::testing {
namespace {

namespace kernels = core::kernels;

using Tensors = std::vector<Tensor>;

// The same numbers in every dtype.
Tensor numbers(const Shape& shape, DType dtype, std::uint64_t seed, double scale = 1.0) {
  // Every case asks for the same numbers again and again, and normal values take long.
  static std::map<std::tuple<Shape, std::uint64_t, double>, Tensor> made;
  const auto [known, is_new] = made.try_emplace({shape, seed, scale});
  if (is_new) known->second = random_tensor(shape, DType::bfloat16, seed, scale);
  return known->second.to(dtype).clone();
}

// One element, one more than a block of threads, what vectors divide, what they do not, and
// nothing.
const std::vector<Shape> kShapes = {{1, 1},    {1, 257},  {3, 16},    {257, 33}, {70, 1000},
                                    {0, 5},    {9, 8},    {1, 70001}, {300, 5},  {5, 2048},
                                    {2, 4099}, {513, 64}, {2200, 576}};

std::string name(const char* what, const Shape& shape) {
  return what + core::to_string(shape);
}

void add_elementwise(std::vector<DeviceCase>& cases) {
  for (const Shape& shape : kShapes) {
    cases.push_back({name("add, multiply", shape),
                     [shape](DType t, const Place& place) {
                       const Tensor a = place.put(numbers(shape, t, 1));
                       const Tensor b = place.put(numbers(shape, t, 2));
                       const Tensors y = {place.empty(shape, t), place.empty(shape, t),
                                          place.put(numbers(shape, t, 3))};
                       kernels::add(a, b, y[0]);
                       kernels::multiply(a, b, y[1]);
                       kernels::add(y[2], y[2], y[2]);
                       return y;
                     },
                     true});
    cases.push_back({name("scale, accumulate", shape), [shape](DType t, const Place& place) {
                       const Tensor a = place.put(numbers(shape, t, 1));
                       const Tensors y = {place.empty(shape, t), place.put(numbers(shape, t, 2))};
                       kernels::scale(a, -0.3, y[0]);
                       kernels::accumulate(a, 0.7, y[1]);
                       return y;
                     }});
    cases.push_back({name("scale_by, accumulate_by", shape), [shape](DType t, const Place& place) {
                       const Tensor a = place.put(numbers(shape, t, 1));
                       const Tensor by = place.full({}, -0.375, core::accumulator_of(t));
                       const Tensors y = {place.empty(shape, t), place.put(numbers(shape, t, 2)),
                                          place.put(numbers(shape, t, 3))};
                       kernels::scale_by(a, by, y[0]);
                       kernels::accumulate_by(a, by, y[1]);
                       kernels::scale_by(y[2], by, y[2]);
                       return y;
                     }});
    cases.push_back({name("dropout", shape),
                     [shape](DType t, const Place& place) {
                       const Tensor a = place.put(numbers(shape, t, 1));
                       const Tensors y = {place.empty(shape, t), place.empty(shape, t)};
                       kernels::dropout(a, 0.3, 7, std::uint64_t{1} << 40, std::uint64_t{3} << 34,
                                        y[0]);
                       kernels::dropout(a, 0.0, 7, 1, 0, y[1]);
                       return y;
                     },
                     true});
    cases.push_back(
        {name("fill", shape),
         [shape](DType t, const Place& place) {
           const Tensors y = {place.empty(shape, t), place.empty(shape, t), place.empty(shape, t)};
           kernels::fill(y[0], 0.0);
           kernels::fill(y[1], -1.7);
           kernels::fill(y[2], 3.0);
           if (shape[0] > 2) kernels::fill(y[2].slice(0, 1, 2), 5.0);
           return y;
         },
         true});
    cases.push_back({name("copy to another dtype, transposed, in part", shape),
                     [shape](DType t, const Place& place) {
                       const Tensor x = place.put(numbers(shape, t, 1));
                       Tensors y;
                       for (const DType to : kFloatTypes) {
                         y.push_back(place.empty(shape, to));
                         kernels::copy(x, y.back());
                         y.push_back(place.empty({shape[1], shape[0]}, to));
                         kernels::copy(x.transpose(0, 1), y.back());
                         y.push_back(place.full({shape[0], shape[1] + 8}, 2.0, to));
                         kernels::copy(x, y.back().slice(1, 8, shape[1] + 8));
                       }
                       return y;
                     },
                     true});
  }
}

void add_reductions(std::vector<DeviceCase>& cases) {
  for (const Shape& shape : kShapes) {
    cases.push_back(
        {name("sum, add_squared_norm", shape), [shape](DType t, const Place& place) {
           const DType wide = core::accumulator_of(t);
           const Tensor x = place.put(numbers(shape, t, 1));
           const Tensors y = {place.empty({}, wide), place.full({}, 3.0, DType::float64)};
           kernels::sum(x, y[0]);
           kernels::add_squared_norm(x, y[1]);
           return y;
         }});
    cases.push_back({name("add_column_sums", shape), [shape](DType t, const Place& place) {
                       const Tensor x = place.put(numbers(shape, t, 1));
                       const Tensors y = {place.full({shape[1]}, 2.0, core::accumulator_of(t))};
                       kernels::add_column_sums(x, y[0]);
                       return y;
                     }});
  }
  cases.push_back({"add_column_sums in two passes", [](DType t, const Place& place) {
                     const Tensor x = place.put(numbers({20011, 24}, t, 1));
                     const Tensors y = {place.full({24}, 2.0, core::accumulator_of(t))};
                     kernels::add_column_sums(x, y[0]);
                     return y;
                   }});
  cases.push_back({"sum in many blocks", [](DType t, const Place& place) {
                     const Tensor x = place.put(numbers({1700003}, t, 1));
                     const Tensors y = {place.empty({}, core::accumulator_of(t))};
                     kernels::sum(x, y[0]);
                     return y;
                   }});
}

void add_rows(std::vector<DeviceCase>& cases) {
  for (const Shape& shape : kShapes) {
    cases.push_back({name("rms_norm", shape), [shape](DType t, const Place& place) {
                       const DType wide = core::accumulator_of(t);
                       const Tensor x = place.put(numbers(shape, t, 1, 2.0));
                       const Tensor weight = place.put(numbers({shape[1]}, t, 2));
                       const Tensor dy = place.put(numbers(shape, t, 3));
                       const Tensors y = {place.empty(shape, t), place.empty({shape[0]}, wide),
                                          place.empty(shape, t), place.full({shape[1]}, 1.0, wide)};
                       // A row of one number loses its gradient in rounding if eps is small.
                       const double eps = shape[1] == 1 ? 1.0 : 1e-3;
                       kernels::rms_norm(x, weight, eps, y[0], y[1]);
                       kernels::rms_norm_backward(dy, x, weight, y[1], y[2], false, y[3], Tensor());
                       return y;
                     }});
    cases.push_back(
        {name("rms_norm_backward in place", shape), [shape](DType t, const Place& place) {
           const DType wide = core::accumulator_of(t);
           const Tensor x = place.put(numbers(shape, t, 1, 2.0));
           const Tensor weight = place.put(numbers({shape[1]}, t, 2));
           const Tensor inverse = place.put(numbers({shape[0]}, wide, 5));
           // dx over dy; then dx added to and y over dy.
           const Tensors y = {place.put(numbers(shape, t, 3)), place.put(numbers(shape, t, 3)),
                              place.put(numbers(shape, t, 4)), place.full({shape[1]}, 1.0, wide)};
           kernels::rms_norm_backward(y[0], x, weight, inverse, y[0], false, y[3], Tensor());
           kernels::rms_norm_backward(y[1], x, weight, inverse, y[2], true, y[3], y[1]);
           return y;
         }});
    cases.push_back({name("swiglu_backward in place", shape), [shape](DType t, const Place& place) {
                       const Tensors y = {place.put(numbers({shape[0], 2 * shape[1]}, t, 1, 3.0)),
                                          place.put(numbers(shape, t, 2))};
                       kernels::swiglu_backward(y[1], y[0], y[0], y[1]);
                       return y;
                     }});
    cases.push_back(
        {name("swiglu", shape), [shape](DType t, const Place& place) {
           const Tensor gate_up = place.put(numbers({shape[0], 2 * shape[1]}, t, 1, 3.0));
           const Tensor dy = place.put(numbers(shape, t, 2));
           const Tensors y = {place.empty(shape, t), place.empty(gate_up.shape(), t)};
           kernels::swiglu(gate_up, y[0]);
           kernels::swiglu_backward(dy, gate_up, y[1], Tensor());
           return y;
         }});
    cases.push_back({name("smooth_l1", shape), [shape](DType t, const Place& place) {
                       const DType wide = core::accumulator_of(t);
                       const Tensor x = place.put(numbers(shape, t, 1));
                       const Tensor target = place.put(numbers(shape, t, 2));
                       const Tensor dlosses = place.put(numbers({shape[0]}, wide, 3));
                       const Tensors y = {place.empty({shape[0]}, wide), place.empty(shape, t)};
                       kernels::smooth_l1(x, target, y[0]);
                       kernels::smooth_l1_backward(dlosses, x, target, y[1]);
                       return y;
                     }});
    cases.push_back(
        {name("cross_entropy", shape), [shape](DType t, const Place& place) {
           const DType wide = core::accumulator_of(t);
           std::vector<std::int32_t> targets;
           for (std::int64_t n = 0; n < shape[0]; ++n) {
             targets.push_back(n % 4 == 1 ? -1 : static_cast<std::int32_t>(n * 7 % shape[1]));
           }
           const Tensor target = int_tensor(targets).to(place.device);
           const Tensors y = {place.put(numbers(shape, t, 1, 3.0)), place.empty({shape[0]}, wide),
                              place.empty({shape[0]}, wide)};
           kernels::cross_entropy(y[0], target, false, y[1]);
           kernels::cross_entropy(y[0], target, true, y[2]);
           return y;
         }});
    cases.push_back(
        {name("rows", shape),
         [shape](DType t, const Place& place) {
           const DType wide = core::accumulator_of(t);
           const std::int64_t count = 2 * shape[0];
           const Tensor index =
               random_indices(count, std::max<std::int64_t>(1, shape[0]), 5).to(place.device);
           const Tensor x = place.put(numbers(shape, t, 1));
           const Tensor dy = place.put(numbers({count, shape[1]}, t, 2));
           const std::int64_t first = shape[0] / 3;  // of a part of the table
           const Tensors y = {place.empty({count, shape[1]}, t), place.empty({count, shape[1]}, t),
                              place.full(shape, 0.5, wide), place.full(shape, 0.25, wide),
                              place.full({shape[0] / 2, shape[1]}, 0.25, wide)};
           kernels::gather_rows(x, index, y[0]);
           kernels::embedding(x, index, y[1]);
           kernels::scatter_add_rows(dy, index, y[2]);
           kernels::embedding_backward(dy, index, 0, y[3]);
           kernels::embedding_backward(dy, index, first, y[4]);
           return y;
         },
         true});
  }
  for (const Shape& shape : {Shape{7, 5000}, Shape{300, 33}, Shape{1, 1}}) {
    cases.push_back({name("argmax_rows", shape),
                     [shape](DType t, const Place& place) {
                       const Tensor x = place.put(numbers(shape, t, 1));
                       const Tensors y = {place.empty({shape[0]}, DType::int32)};
                       kernels::argmax_rows(x, y[0]);
                       return y;
                     },
                     true});
  }
  cases.push_back({"scatter_add_rows to few rows",
                   [](DType t, const Place& place) {
                     const Tensor index = random_indices(5000, 3, 5).to(place.device);
                     const Tensor dy = place.put(numbers({5000, 40}, t, 2, 100.0));
                     const Tensors y = {place.full({4, 40}, 0.5, core::accumulator_of(t))};
                     kernels::scatter_add_rows(dy, index, y[0]);
                     return y;
                   },
                   true});
  // Runs of every length around those that are taken apart, and a long one, between random ones.
  for (const std::int64_t width : {200, 33}) {
    cases.push_back(
        {fmt::format("scatter_add_rows in runs of {} columns", width),
         [width](DType t, const Place& place) {
           std::vector<std::int32_t> index = random_indices(300, 64, 6).to_vector<std::int32_t>();
           std::int32_t row = 64;
           for (const std::size_t run : {31, 32, 33, 62, 63, 64, 65, 127, 128, 129, 1500}) {
             index.insert(index.end(), run, row++);
           }
           core::Random random(3);
           for (std::size_t i = index.size() - 1; i > 0; --i) {
             std::swap(index[i], index[random.below(static_cast<std::uint32_t>(i + 1))]);
           }
           const auto count = static_cast<std::int64_t>(index.size());
           const Tensor rows = Tensor::from(index, {count}).to(place.device);
           const Tensor dy = place.put(numbers({count, width}, t, 2, 100.0));
           const DType wide = core::accumulator_of(t);
           const Tensors y = {place.full({row, width}, 0.5, wide), place.full({9, width}, 0, wide)};
           kernels::scatter_add_rows(dy, rows, y[0]);
           kernels::embedding_backward(dy, rows, 66, y[1]);
           return y;
         },
         true});
  }
  for (const auto& [rows, heads, rotated, head] : {std::array<std::int64_t, 4>{1, 3, 2, 6},
                                                   {257, 3, 3, 64},
                                                   {17, 5, 4, 16},
                                                   {9, 1, 0, 8},
                                                   {0, 2, 1, 8},
                                                   {33, 9, 6, 128}}) {
    cases.push_back(
        {fmt::format("rope {} rows, {} of {} heads of {}", rows, rotated, heads, head),
         [rows = rows, heads = heads, rotated = rotated, head = head](DType t, const Place& place) {
           const Tensor table = place.put(numbers({50, head}, core::accumulator_of(t), 4));
           const Tensor positions = random_indices(rows, 50, 6).to(place.device);
           const Tensor x = place.put(numbers({rows, heads * head}, t, 1));
           const Tensors y = {place.empty(x.shape(), t), place.put(numbers(x.shape(), t, 2))};
           kernels::rope(x, positions, table, rotated, false, y[0]);
           kernels::rope(y[1], positions, table, rotated, true, y[1]);
           return y;
         }});
  }
}

void add_optimizer(std::vector<DeviceCase>& cases) {
  for (const std::int64_t size : {0, 1, 257, 70001}) {
    for (const bool wide_gradient : {false, true}) {
      cases.push_back(
          {fmt::format("adamw of {}, gradient {}", size, wide_gradient),
           [size, wide_gradient](DType t, const Place& place) {
             const DType wide = core::accumulator_of(t);
             const Tensors y = {place.put(numbers({size}, wide, 1)), place.full({size}, 0.0, wide),
                                place.full({size}, 0.0, wide), place.empty({size}, t)};
             kernels::AdamWStep step;
             step.lr = 0.01;
             step.weight_decay = 0.1;
             for (step.step = 1; step.step <= 3; ++step.step) {
               const Tensor gradient = place.put(numbers(
                   {size}, wide_gradient ? wide : t, 10 + static_cast<std::uint64_t>(step.step)));
               // In place where the parameter is its own master.
               kernels::adamw(y[0], gradient, y[1], y[2], t == wide ? y[0] : y[3], step, 0.5);
             }
             if (t == wide) kernels::copy(y[0], y[3]);
             return y;
           }});
    }
  }
}

// Sizes around the chunks that a list is cut into, and more tensors than a block has threads.
std::vector<std::int64_t> list_sizes() {
  std::vector<std::int64_t> sizes = {8191, 0, 8192, 8193, 3, 0, 0, 40001};
  for (int i = 0; i < 600; ++i) sizes.push_back(i % 7);
  sizes.push_back(20000);
  return sizes;
}

void add_lists(std::vector<DeviceCase>& cases) {
  cases.push_back({"squared norms of a list", [](DType t, const Place& place) {
                     std::vector<Tensor> xs;
                     for (const std::int64_t size : list_sizes()) {
                       xs.push_back(place.put(numbers({size}, t, 5 + xs.size())));
                     }
                     const Tensors y = {place.full({}, 3.0, DType::float64)};
                     kernels::add_squared_norms(xs, y[0]);
                     return y;
                   }});
  for (const bool narrow_moments : {false, true}) {
    // With bfloat16 moments every device rounds alike. float64 parameters have none: float32 ones.
    cases.push_back({fmt::format("adamw of a list, bfloat16 moments {}", narrow_moments),
                     [narrow_moments](DType t, const Place& place) {
                       if (narrow_moments && t == DType::float64) t = DType::float32;
                       const DType wide = core::accumulator_of(t);
                       const DType moment =
                           narrow_moments && t != DType::float64 ? DType::bfloat16 : wide;
                       kernels::AdamWLaunch launch;
                       std::vector<kernels::AdamWUpdate>& updates = launch.updates;
                       Tensors y;
                       for (const std::int64_t size : list_sizes()) {
                         const std::uint64_t seed = 10 * updates.size();
                         const Tensor master = place.put(numbers({size}, wide, seed));
                         const Tensor gradient = place.put(numbers({size}, wide, seed + 1));
                         updates.push_back({master,
                                            size % 7 == 5 ? Tensor() : gradient,
                                            place.full({size}, 0.0, moment),
                                            place.full({size}, 0.0, moment),
                                            t == wide ? master : place.full({size}, 0.0, t),
                                            {}});
                       }
                       for (std::int64_t step = 1; step <= 3; ++step) {
                         for (std::size_t i = 0; i < updates.size(); ++i) {
                           updates[i].step = {.lr = 0.01 * static_cast<double>(1 + i % 3),
                                              .weight_decay = i % 2 == 0 ? 0.1 : 0.0,
                                              .step = step,
                                              .seed = 77,
                                              .stream = static_cast<std::uint64_t>(step) << 32 | i};
                         }
                         kernels::adamw_lay_out(launch);
                         kernels::adamw_all(launch, 0.5);
                       }
                       for (const std::size_t i : {0u, 2u, 3u, 7u, 12u, 608u}) {
                         const kernels::AdamWUpdate& each = updates[i];
                         y.insert(y.end(), {each.master, each.m, each.v, each.parameter});
                       }
                       return y;
                     },
                     narrow_moments});
  }
}

void add_products(std::vector<DeviceCase>& cases) {
  for (const auto& [m, k, n] : {std::array<std::int64_t, 3>{1, 1, 1},
                                {3, 5, 7},
                                {1, 257, 33},
                                {64, 64, 64},
                                {257, 128, 96},
                                {31, 1000, 1},
                                {5, 0, 3},
                                {0, 4, 3},
                                {200, 4096, 24},
                                {130, 66, 258}}) {
    for (const int transposes : {0, 1, 2, 3}) {
      const bool ta = (transposes & 1) != 0;
      const bool tb = (transposes & 2) != 0;
      cases.push_back(
          {fmt::format("matmul {}x{}x{}, transposed {} {}", m, k, n, ta, tb),
           [m = m, k = k, n = n, ta, tb](DType t, const Place& place) {
             const DType wide = core::accumulator_of(t);
             const Tensor a = place.put(numbers(ta ? Shape{k, m} : Shape{m, k}, t, 1));
             const Tensor b = place.put(numbers(tb ? Shape{n, k} : Shape{k, n}, t, 2));
             // Rows with a stride, as in a slice of columns.
             const Tensor around =
                 place.put(numbers({a.dim(0), a.dim(1) + 8}, t, 3)).slice(1, 8, a.dim(1) + 8);
             const Tensors y = {place.full({m, n}, std::nan(""), t),
                                place.put(numbers({m, n}, wide, 4)),
                                place.put(numbers({m, n + 3}, t, 5))};
             kernels::matmul(a, ta, b, tb, 1.0, 0.0, y[0]);
             kernels::matmul(a, ta, b, tb, -0.5, 1.0, y[1]);
             kernels::matmul(around, ta, b, tb, 1.0, 0.25, y[2].slice(1, 2, n + 2));
             return y;
           }});
    }
  }
}

void add_linear(std::vector<DeviceCase>& cases) {
  for (const auto& [n, in, out] : {std::array<std::int64_t, 3>{1, 1, 1},
                                   {3, 5, 7},
                                   {64, 64, 64},
                                   {257, 128, 96},
                                   {5, 0, 3},
                                   {0, 4, 3},
                                   {40, 1536, 576}}) {
    cases.push_back({fmt::format("linear {}x{}x{}", n, in, out),
                     [n = n, in = in, out = out](DType t, const Place& place) {
                       const Tensor x = place.put(numbers({n, in}, t, 1));
                       const Tensor weight = place.put(numbers({out, in}, t, 2));
                       const Tensor bias = place.put(numbers({out}, t, 3));
                       const Tensor residual = place.put(numbers({n, out}, t, 4));
                       Tensors y;
                       for (int i = 0; i < 4; ++i) {
                         y.push_back(place.full({n, out}, std::nan(""), t));
                         kernels::linear(x, weight, i % 2 == 0 ? Tensor() : bias,
                                         i / 2 == 0 ? Tensor() : residual, y.back());
                       }
                       return y;
                     }});
  }
}

// Few rows and many, odd extents, more weights than a lane reads ahead, and rows too long to be
// staged eight, or even one, at a time.
void add_row_linear(std::vector<DeviceCase>& cases) {
  for (const auto& [m, k, n] : {std::array<std::int64_t, 3>{1, 576, 960},
                                {1, 1, 1},
                                {1, 257, 33},
                                {1, 64, 2100},
                                {2, 1536, 65},
                                {3, 576, 31},
                                {4, 40, 7},
                                {8, 2048, 5},
                                {5, 8200, 3},
                                {1, 33000, 2},
                                {9, 96, 12},
                                {0, 8, 3}}) {
    cases.push_back(
        {fmt::format("row_linear {}x{}x{}", m, k, n),
         [m = m, k = k, n = n](DType t, const Place& place) {
           const Tensor x = place.put(numbers({m, k}, t, 1));
           const Tensor weight = place.put(numbers({n, k}, t, 3));
           const Tensor gate_up = place.put(numbers({2 * n, k}, t, 2));
           const Tensor norm = place.put(numbers({k}, t, 4));
           const Tensor bias = place.put(numbers({n}, t, 5));
           const Tensor residual = place.put(numbers({m, n}, t, 6));
           const Tensors y = {place.full({m, n}, std::nan(""), t),
                              place.full({m, n}, std::nan(""), t), place.put(numbers({m, n}, t, 7)),
                              place.full({m, n}, std::nan(""), t)};
           kernels::row_linear(x, weight,
                               kernels::RowLinear{.norm = norm, .eps = 1e-5, .bias = bias}, y[0]);
           kernels::row_linear(x, weight, kernels::RowLinear{.residual = residual}, y[1]);
           kernels::row_linear(x, weight, kernels::RowLinear{.residual = y[2]}, y[2]);
           kernels::row_linear(x, gate_up,
                               kernels::RowLinear{.norm = norm, .eps = 1e-5, .gated = true}, y[3]);
           return y;
         }});
  }
}

}  // namespace

Tensor Place::empty(const Shape& shape, DType dtype) const {
  if (!unaligned) return Tensor::empty(shape, dtype, device);
  const std::int64_t size = core::element_count(shape);
  return Tensor::empty({size + 1}, dtype, device).slice(0, 1, size + 1).reshape(shape);
}

Tensor Place::put(const Tensor& host) const {
  const Tensor there = empty(host.shape(), host.dtype());
  core::copy_bytes(device, there.raw(), core::Device{}, host.raw(), host.bytes());
  return there;
}

Tensor Place::full(const Shape& shape, double value, DType dtype) const {
  return put(Tensor::full(shape, value, dtype));
}

std::vector<DeviceCase> device_cases() {
  std::vector<DeviceCase> cases;
  add_elementwise(cases);
  add_reductions(cases);
  add_rows(cases);
  add_optimizer(cases);
  add_lists(cases);
  add_products(cases);
  add_linear(cases);
  add_row_linear(cases);
  return cases;
}

}  // namespace unfold::testing
