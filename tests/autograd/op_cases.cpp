#include "tests/autograd/op_cases.h"

#include <fmt/core.h>

#include <array>
#include <tuple>
#include <utility>

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/cross_entropy.h"
#include "autograd/ops/embedding.h"
#include "autograd/ops/fused_linear.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/rms_norm.h"
#include "autograd/ops/rope.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/smooth_l1.h"
#include "autograd/ops/swiglu.h"

namespace unfold::testing {
namespace {

namespace ops = autograd;

// Normal values of these shapes.
auto normal(std::vector<Shape> shapes, double scale = 1.0) {
  return [shapes = std::move(shapes), scale](std::uint64_t seed) {
    std::vector<Tensor> tensors;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      tensors.push_back(random_tensor(shapes[i], DType::float64, 100 * seed + i, scale));
    }
    return tensors;
  };
}

std::string shape_name(const Shape& shape) {
  std::string name;
  for (const std::int64_t extent : shape) name += fmt::format("_{}", extent);
  return name.empty() ? "_scalar" : name;
}

// int32 values on the device of x.
Tensor ints_like(const std::vector<std::int32_t>& values, const Variable& x) {
  return int_tensor(values).to(x.value().device());
}

void add_arithmetic(std::vector<OpCase>& cases) {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{3, 5}, Shape{0, 4}, Shape{2, 3, 7}}) {
    const std::string name = shape_name(shape);
    cases.push_back({"add" + name, normal({shape, shape}),
                     [](const Variables& x) { return Variables{ops::add(x[0], x[1])}; }});
    cases.push_back({"multiply" + name, normal({shape, shape}),
                     [](const Variables& x) { return Variables{ops::multiply(x[0], x[1])}; }});
    cases.push_back({"scale" + name, normal({shape}),
                     [](const Variables& x) { return Variables{ops::scale(x[0], -1.75)}; }});
    cases.push_back({"sum" + name, normal({shape}),
                     [](const Variables& x) { return Variables{ops::sum(x[0])}; }});
    cases.push_back({"dropout" + name, normal({shape}),
                     [](const Variables& x) { return Variables{ops::dropout(x[0], 0.4, 3, 5)}; }});
  }
  cases.push_back({"mean_3_5", normal({{3, 5}}),
                   [](const Variables& x) { return Variables{ops::mean(x[0])}; }});
  cases.push_back({"dropout_of_nothing", normal({{3, 5}}),
                   [](const Variables& x) { return Variables{ops::dropout(x[0], 0.0, 3, 5)}; }});
  // One variable in both places.
  cases.push_back({"add_same", normal({{3, 5}}),
                   [](const Variables& x) { return Variables{ops::add(x[0], x[0])}; }});
  cases.push_back({"square",
                   normal({{3, 5}}),
                   [](const Variables& x) { return Variables{ops::multiply(x[0], x[0])}; },
                   {},
                   8,
                   2});
}

void add_shape(std::vector<OpCase>& cases) {
  cases.push_back({"reshape_3_4", normal({{3, 4}}), [](const Variables& x) {
                     return Variables{ops::reshape(x[0], {2, -1})};
                   }});
  cases.push_back({"reshape_to_scalar", normal({{1, 1}}),
                   [](const Variables& x) { return Variables{ops::reshape(x[0], {})}; }});
  for (const Shape& shape : {Shape{3, 4}, Shape{1, 5}, Shape{2, 0}}) {
    cases.push_back({"transpose" + shape_name(shape), normal({shape}),
                     [](const Variables& x) { return Variables{ops::transpose(x[0], 0, 1)}; }});
  }
  cases.push_back({"transpose_middle", normal({{2, 3, 4, 2}}),
                   [](const Variables& x) { return Variables{ops::transpose(x[0], 1, -2)}; }});
  cases.push_back({"slice_rows", normal({{5, 3}}),
                   [](const Variables& x) { return Variables{ops::slice(x[0], 0, 1, 4)}; }});
  cases.push_back({"slice_columns", normal({{5, 3}}),
                   [](const Variables& x) { return Variables{ops::slice(x[0], -1, 1, 3)}; }});
  cases.push_back({"slice_nothing", normal({{5, 3}}),
                   [](const Variables& x) { return Variables{ops::slice(x[0], 0, 2, 2)}; }});
  cases.push_back({"slices_that_overlap",
                   normal({{6, 2}}),
                   [](const Variables& x) {
                     return Variables{ops::slice(x[0], 0, 0, 4), ops::slice(x[0], 0, 2, 6)};
                   },
                   {},
                   8,
                   2});
  cases.push_back({"concat_rows", normal({{2, 3}, {1, 3}, {0, 3}}), [](const Variables& x) {
                     return Variables{ops::concat({x[0], x[1], x[2]}, 0)};
                   }});
  cases.push_back({"concat_columns", normal({{2, 3}, {2, 1}}), [](const Variables& x) {
                     return Variables{ops::concat({x[0], x[1]}, -1)};
                   }});
  cases.push_back({"concat_same", normal({{2, 3}}), [](const Variables& x) {
                     return Variables{ops::concat({x[0], x[0]}, 0)};
                   }});
  cases.push_back({"gather_rows_repeated",
                   normal({{4, 3}}),
                   [](const Variables& x) {
                     return Variables{ops::gather_rows(x[0], ints_like({3, 0, 3, 3, 1}, x[0]))};
                   },
                   {},
                   8,
                   1});
  cases.push_back({"gather_no_rows", normal({{4, 3}}), [](const Variables& x) {
                     return Variables{ops::gather_rows(x[0], ints_like({}, x[0]))};
                   }});
  cases.push_back({"cast_to_float32_in_low_precision", normal({{4, 3}}), [](const Variables& x) {
                     return Variables{ops::cast(x[0], core::accumulator_of(x[0].dtype()))};
                   }});
}

void add_layers(std::vector<OpCase>& cases) {
  const auto embed = [](const std::vector<std::int32_t>& ids) {
    return
        [ids](const Variables& x) { return Variables{ops::embedding(x[0], ints_like(ids, x[0]))}; };
  };
  cases.push_back({"embedding_repeated", normal({{7, 5}}), embed({6, 0, 6, 2, 6})});
  cases.push_back({"embedding_one_row", normal({{1, 3}}), embed({0})});
  cases.push_back({"embedding_no_ids", normal({{4, 3}}), embed({})});

  for (const auto& [n, i, o] :
       {std::tuple{1, 1, 1}, {5, 3, 7}, {1, 9, 4}, {6, 1, 2}, {0, 3, 2}, {17, 33, 5}}) {
    const std::string name = fmt::format("_{}_{}_{}", n, i, o);
    cases.push_back({"linear" + name, normal({{n, i}, {o, i}}),
                     [](const Variables& x) { return Variables{ops::linear(x[0], x[1])}; }});
    cases.push_back({"linear_bias" + name, normal({{n, i}, {o, i}, {o}}),
                     [](const Variables& x) { return Variables{ops::linear(x[0], x[1], x[2])}; },
                     [](const Variables& x) {
                       const std::vector<std::int32_t> zeros(static_cast<std::size_t>(x[0].dim(0)),
                                                             0);
                       const Variable rows =
                           ops::gather_rows(ops::reshape(x[2], {1, -1}), ints_like(zeros, x[0]));
                       return Variables{ops::add(ops::linear(x[0], x[1]), rows)};
                     }});
  }
  for (const Shape& shape : {Shape{1, 7}, Shape{5, 16}, Shape{3, 33}, Shape{270, 2}, Shape{0, 4}}) {
    cases.push_back({"rms_norm" + shape_name(shape),
                     normal({shape, {shape[1]}}),
                     [](const Variables& x) { return Variables{ops::rms_norm(x[0], x[1], 1e-2)}; },
                     {},
                     16,
                     1});
  }
  for (const std::int64_t rotated : {0, 1, 3}) {
    cases.push_back(
        {fmt::format("rope_{}_of_3_heads", rotated), normal({{4, 3 * 6}}),
         [rotated](const Variables& x) {
           const Tensor table = random_tensor({9, 6}, DType::float64, 31)
                                    .to(core::accumulator_of(x[0].dtype()))
                                    .to(x[0].value().device());
           return Variables{ops::rope(x[0], ints_like({0, 8, 2, 2}, x[0]), table, rotated)};
         }});
    // Between ops that own what they make: in place, forward and backward.
    cases.push_back(
        {fmt::format("rope_in_place_{}_of_3_heads", rotated), normal({{4, 3 * 6}}),
         [rotated](const Variables& x) {
           const Tensor table = random_tensor({9, 6}, DType::float64, 31)
                                    .to(core::accumulator_of(x[0].dtype()))
                                    .to(x[0].value().device());
           return Variables{ops::scale(
               ops::rope(ops::scale(x[0], 2.0), ints_like({0, 8, 2, 2}, x[0]), table, rotated),
               0.5)};
         }});
  }
  for (const Shape& shape : {Shape{1, 2}, Shape{3, 10}, Shape{5, 34}, Shape{0, 4}}) {
    cases.push_back({"swiglu" + shape_name(shape), normal({shape}, 2.0),
                     [](const Variables& x) { return Variables{ops::swiglu(x[0])}; }});
  }
  cases.push_back({"swiglu_large", normal({{4, 6}}, 30.0),
                   [](const Variables& x) { return Variables{ops::swiglu(x[0])}; }});
}

// Ops that end in a linear layer, against the plain ones. The CPU is made to compute them as a GPU
// does.
void add_fused_linear(std::vector<OpCase>& cases) {
  constexpr auto kAlways = ops::Recompute::always;
  for (const auto& [n, i, o] :
       {std::tuple{1, 1, 1}, {5, 3, 7}, {6, 16, 8}, {0, 4, 2}, {33, 24, 5}}) {
    const std::string name = fmt::format("_{}_{}_{}", n, i, o);
    cases.push_back(
        {"linear_residual" + name, normal({{n, i}, {o, i}, {n, o}}),
         [](const Variables& x) { return Variables{ops::linear(x[0], x[1], {}, x[2])}; },
         [](const Variables& x) { return Variables{ops::add(x[2], ops::linear(x[0], x[1]))}; }});
    cases.push_back(
        {"linear_bias_residual" + name, normal({{n, i}, {o, i}, {o}, {n, o}}),
         [](const Variables& x) { return Variables{ops::linear(x[0], x[1], x[2], x[3])}; },
         [](const Variables& x) {
           return Variables{ops::add(x[3], ops::linear(x[0], x[1], x[2]))};
         }});
    cases.push_back({"norm_linear" + name, normal({{n, i}, {i}, {o, i}, {o}}),
                     [](const Variables& x) {
                       return Variables{ops::norm_linear(x[0], x[1], 1e-2, x[2], x[3], kAlways)};
                     },
                     [](const Variables& x) {
                       return Variables{ops::linear(ops::rms_norm(x[0], x[1], 1e-2), x[2], x[3])};
                     },
                     32, 8});
    cases.push_back({"swiglu_linear" + name, normal({{n, 2 * i}, {o, i}, {n, o}}),
                     [](const Variables& x) {
                       return Variables{ops::swiglu_linear(x[0], x[1], x[2], kAlways)};
                     },
                     [](const Variables& x) {
                       return Variables{ops::add(x[2], ops::linear(ops::swiglu(x[0]), x[1]))};
                     },
                     16, 4});
  }
  // Two branches of one stream, as in a block of a decoder, between ops that own what they make:
  // so gradients are added to, and written over, where they lie.
  cases.push_back(
      {"block_of_fused_ops", normal({{5, 8}, {8}, {8, 8}, {8, 8}, {12, 8}, {8, 6}}),
       [](const Variables& x) {
         const Variable stream = ops::scale(x[0], 1.5);
         const Variable first = ops::norm_linear(stream, x[1], 1e-2, x[2], {}, kAlways);
         const Variable middle = ops::linear(first, x[3], {}, stream);
         const Variable gate_up = ops::norm_linear(middle, x[1], 1e-2, x[4], {}, kAlways);
         return Variables{ops::scale(ops::swiglu_linear(gate_up, x[5], middle, kAlways), 0.5)};
       },
       [](const Variables& x) {
         const Variable stream = ops::scale(x[0], 1.5);
         const Variable first = ops::linear(ops::rms_norm(stream, x[1], 1e-2), x[2]);
         const Variable middle = ops::add(stream, ops::linear(first, x[3]));
         const Variable gate_up = ops::linear(ops::rms_norm(middle, x[1], 1e-2), x[4]);
         const Variable mlp = ops::linear(ops::swiglu(gate_up), x[5]);
         return Variables{ops::scale(ops::add(middle, mlp), 0.5)};
       },
       64, 16});
}

// Targets 0, 1, ..., classes - 1, 0, ...; every `hole`-th row ignored (0: none).
std::vector<std::int32_t> targets(std::int64_t rows, std::int64_t classes, std::int64_t hole) {
  std::vector<std::int32_t> result;
  for (std::int64_t n = 0; n < rows; ++n) {
    const bool ignored = hole > 0 && n % hole == hole - 1;
    result.push_back(ignored ? -1 : static_cast<std::int32_t>(n % classes));
  }
  return result;
}

void add_losses(std::vector<OpCase>& cases) {
  struct Loss {
    std::int64_t rows, width, head, classes, hole;
  };
  // A chunk has 256 rows: one less, exactly one, one more; and ignored rows that close the gap.
  for (const auto& [rows, width, head, classes, hole] :
       {Loss{1, 3, 4, 4, 0}, Loss{5, 4, 7, 7, 2}, Loss{6, 5, 9, 6, 0}, Loss{3, 2, 4, 4, 1},
        Loss{0, 3, 5, 5, 0}, Loss{255, 2, 3, 3, 0}, Loss{256, 2, 3, 3, 0}, Loss{257, 2, 3, 3, 0},
        Loss{300, 2, 4, 3, 7}}) {
    cases.push_back({fmt::format("linear_cross_entropy_{}_{}_{}_of_{}_hole_{}", rows, width,
                                 classes, head, hole),
                     normal({{rows, width}, {head, width}}, 0.5),
                     [rows = rows, classes = classes, hole = hole](const Variables& x) {
                       return Variables{ops::linear_cross_entropy(
                           x[0], x[1], classes, int_tensor(targets(rows, classes, hole)))};
                     },
                     {},
                     16,
                     4});  // logits and their gradients are rounded, too
  }
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 7}, Shape{0, 2}}) {
    // Differences away from 0 +- 1, where the second derivative jumps.
    const auto inputs = [shape](std::uint64_t seed) {
      Tensor x = random_tensor(shape, DType::float64, seed, 0.1);
      double* values = x.data<double>();
      for (std::int64_t i = 0; i < x.size(); ++i) {
        values[i] += std::array{0.4, -1.7, 1.8, -0.3}[static_cast<std::size_t>(i % 4)];
      }
      return std::vector<Tensor>{x};
    };
    cases.push_back({"smooth_l1" + shape_name(shape), inputs, [shape](const Variables& x) {
                       const Tensor target =
                           Tensor::zeros(shape, x[0].dtype(), x[0].value().device());
                       return Variables{ops::smooth_l1(x[0], target)};
                     }});
  }
}

// What gradients do where paths part and meet again.
void add_blocks(std::vector<OpCase>& cases) {
  cases.push_back({"residual_mlp",
                   normal({{4, 6}, {6}, {10, 6}, {6, 5}}),
                   [](const Variables& x) {
                     const Variable hidden = ops::rms_norm(x[0], x[1], 1e-2);
                     const Variable gated = ops::swiglu(ops::linear(hidden, x[2]));
                     return Variables{ops::add(x[0], ops::linear(gated, x[3]))};
                   },
                   {},
                   32,
                   8});
  cases.push_back({"several_outputs",
                   normal({{3, 4}, {3, 4}}),
                   [](const Variables& x) {
                     const Variable product = ops::multiply(x[0], x[1]);
                     return Variables{product, ops::add(product, x[0]), x[1]};
                   },
                   {},
                   8,
                   4});
}

}  // namespace

std::vector<OpCase> autograd_op_cases() {
  std::vector<OpCase> cases;
  add_arithmetic(cases);
  add_shape(cases);
  add_layers(cases);
  add_fused_linear(cases);
  add_losses(cases);
  add_blocks(cases);
  return cases;
}

}  // namespace unfold::testing
