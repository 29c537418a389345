// The tape: accumulation, shared tensors, hooks, modes, memory.
#include <gtest/gtest.h>

#include <thread>

#include "autograd/ops/arithmetic.h"
#include "autograd/ops/embedding.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/rms_norm.h"
#include "autograd/ops/shape.h"
#include "autograd/variable.h"
#include "core/memory.h"
#include "tests/core/tensor_helpers.h"

namespace unfold::autograd {
namespace {

using core::DType;
using core::InternalError;
using testing::random_tensor;
using testing::values_of;

using Values = std::vector<double>;

Variable leaf(const Values& values, DType dtype = DType::float64) {
  return Variable(Tensor::from(values, {static_cast<std::int64_t>(values.size())}).to(dtype), true);
}
Variable constant(const Values& values) {
  return Variable(Tensor::from(values, {static_cast<std::int64_t>(values.size())}));
}
Values gradient_of(const Variable& x) {
  return values_of(x.gradient());
}

TEST(Backward, TwoPassesAccumulate) {
  const Variable x = leaf({1, 2, 3});
  backward(sum(multiply(x, x)));
  EXPECT_EQ(gradient_of(x), (Values{2, 4, 6}));
  backward(sum(scale(x, 10)));
  EXPECT_EQ(gradient_of(x), (Values{12, 14, 16}));
  Variable same = x;
  same.clear_gradient();
  EXPECT_FALSE(x.gradient().defined());
  backward(sum(x), 0.5);
  EXPECT_EQ(gradient_of(x), (Values{0.5, 0.5, 0.5}));
}

// The first contribution may be written: the target is new, and says so.
TEST(Backward, AccumulatorSaysWhetherItIsNew) {
  const Variable x = leaf({1, 2});
  double beta = -1;
  const Tensor target = x.slot()->accumulator(beta);
  EXPECT_EQ(beta, 0);
  EXPECT_EQ(target.shape(), x.shape());
  x.slot()->accumulator(beta);
  EXPECT_EQ(beta, 1);
  Variable same = x;
  same.clear_gradient();
  EXPECT_EQ(values_of(x.slot()->accumulator()), (Values{0, 0}));
}

// Products are written at first and added to afterwards, also where the gradient is rounded.
TEST(Backward, WeightGradientsOfTwoPassesAddUp) {
  for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16}) {
    const Variable x(random_tensor({5, 4}, dtype, 1));
    const Variable weight(random_tensor({3, 4}, dtype, 2), true);
    const Variable narrow = cast(weight, DType::bfloat16);
    backward(sum(linear(x, weight)));
    const Values once = gradient_of(weight);
    backward(sum(linear(x, weight)));
    const Values twice = gradient_of(weight);
    for (std::size_t i = 0; i < once.size(); ++i) EXPECT_EQ(twice[i], 2 * once[i]);
    Variable same = weight;
    same.clear_gradient();
    const Variable y = linear(cast(x, DType::bfloat16), narrow);
    backward(sum(y));
    for (std::size_t i = 0; i < once.size(); ++i) EXPECT_NEAR(gradient_of(weight)[i], once[i], 0.1);
  }
}

TEST(Backward, SharedSubexpressions) {
  const Variable x = leaf({1, -2});
  backward(sum(add(x, x)));
  EXPECT_EQ(gradient_of(x), (Values{2, 2}));

  // A diamond with arms of different length: y is used twice, and its gradient must be complete
  // before it goes on.
  const Variable z = leaf({1, -2});
  const Variable y = multiply(z, z);
  const Variable longer = scale(scale(scale(y, 2), 3), 0.5);
  backward(sum(multiply(longer, y)));  // 3 z^4
  EXPECT_EQ(gradient_of(z), (Values{12, -96}));
}

TEST(Backward, OnlyWhatTheRootDependsOn) {
  const Variable x = leaf({1, 2});
  const Variable y = leaf({3, 4});
  const Variable unused = multiply(y, y);
  backward(sum(multiply(x, constant({5, 6}))));
  EXPECT_EQ(gradient_of(x), (Values{5, 6}));
  EXPECT_FALSE(y.gradient().defined());
}

TEST(Backward, SeveralRootsWithTheirGradients) {
  const Variable x = leaf({1, 2});
  const Variable shared = multiply(x, x);
  const std::vector<Variable> roots = {scale(shared, 3), shared, x};
  backward(roots, {Tensor::from(Values{1, 1}, {2}), Tensor(), Tensor::from(Values{100, 200}, {2})});
  EXPECT_EQ(gradient_of(x), (Values{106, 212}));
  EXPECT_THROW(backward(roots, {Tensor()}), InternalError);
}

TEST(Backward, ATensorGivenToTwoSlotsIsNeverWrittenTo) {
  const Variable a = leaf({1, 2});
  const Variable b = leaf({3, 4});
  const Tensor given = Tensor::from(Values{10, 20}, {2});
  backward({a, b}, {given, given});  // both leaves take the tensor itself
  backward(sum(a));
  EXPECT_EQ(gradient_of(a), (Values{11, 21}));
  EXPECT_EQ(gradient_of(b), (Values{10, 20}));
  EXPECT_EQ(values_of(given), (Values{10, 20}));

  // The same through an op that passes one gradient to both inputs.
  const Variable c = leaf({1, 2});
  const Variable d = leaf({3, 4});
  backward({add(c, d)}, {given});
  const Tensor kept = c.gradient();  // a reader that holds on to the gradient
  backward(sum(scale(d, 5)));
  backward(sum(c));
  EXPECT_EQ(gradient_of(c), (Values{11, 21}));
  EXPECT_EQ(gradient_of(d), (Values{15, 25}));
  EXPECT_EQ(values_of(kept), (Values{10, 20}));
  EXPECT_EQ(values_of(given), (Values{10, 20}));
}

TEST(Backward, AddInPlaceKernelsDoNotWriteToSharedGradients) {
  // linear adds its weight gradient into the slot; here the slot's gradient is shared.
  const Variable weight(random_tensor({2, 2}, DType::float64, 1), true);
  const Tensor given = Tensor::full({2, 2}, 7.0, DType::float64);
  backward({weight}, {given});
  const Variable x(Tensor::full({1, 2}, 1.0, DType::float64));
  backward(sum(linear(x, weight)));
  EXPECT_EQ(gradient_of(weight), Values(4, 8.0));
  EXPECT_EQ(values_of(given), Values(4, 7.0));
}

TEST(Backward, StridedGradientsAreTaken) {
  const Variable x(Tensor::zeros({2, 3}, DType::float64), true);
  const Tensor wide = Tensor::from(Values{1, 2, 3, 4, 5, 6}, {3, 2});
  backward({x}, {wide.transpose(0, 1)});
  EXPECT_EQ(gradient_of(x), (Values{1, 3, 5, 2, 4, 6}));
}

TEST(Backward, ASecondTimeIsABug) {
  const Variable x = leaf({1, 2});
  const Variable loss = sum(multiply(x, x));
  backward(loss);
  EXPECT_THROW(backward(loss), InternalError);
  // Also when only a part of the graph was used up.
  const Variable y = multiply(x, x);
  backward(sum(y));
  EXPECT_THROW(backward(sum(scale(y, 2))), InternalError);
}

TEST(Backward, Misuse) {
  const Variable x = leaf({1, 2});
  EXPECT_THROW(backward(multiply(x, x)), InternalError);         // not a scalar
  EXPECT_THROW(backward(sum(constant({1, 2}))), InternalError);  // no history
  EXPECT_THROW(constant({1}).gradient(), InternalError);         // wants none
  EXPECT_THROW(backward({x}, {Tensor::zeros({3}, DType::float64)}), InternalError);
  EXPECT_THROW(Variable(Tensor::zeros({2}, DType::int32), true), InternalError);
  const Tensor matrix = Tensor::zeros({2, 3}, DType::float64);
  EXPECT_THROW(Variable(matrix.transpose(0, 1)), InternalError);  // strided
}

TEST(Backward, Bfloat16LeavesCollectInFloat32) {
  const Variable x = leaf({1, 2}, DType::bfloat16);
  const Variable y = leaf({3, 4}, DType::bfloat16);
  EXPECT_EQ(multiply(x, y).slot()->dtype, DType::bfloat16);  // between ops: the op's own dtype
  for (int pass = 0; pass < 300; ++pass) backward(sum(multiply(x, y)));
  ASSERT_EQ(x.gradient().dtype(), DType::float32);
  EXPECT_EQ(gradient_of(x), (Values{900, 1200}));  // bfloat16 would have stalled at 512 + 3
}

TEST(Backward, CastPassesGradientsAcrossDtypes) {
  const Variable x = leaf({1, 2}, DType::float32);
  backward(sum(scale(cast(x, DType::bfloat16), 3)));
  EXPECT_EQ(x.gradient().dtype(), DType::float32);
  EXPECT_EQ(gradient_of(x), (Values{3, 3}));
}

TEST(Modes, NoGradRecordsNothing) {
  const Variable x = leaf({1, 2});
  EXPECT_TRUE(grad_enabled());
  {
    const NoGrad no_grad;
    EXPECT_FALSE(grad_enabled());
    EXPECT_FALSE(multiply(x, x).requires_grad());
    {
      const EnableGrad enable;
      EXPECT_TRUE(multiply(x, x).requires_grad());
    }
    EXPECT_FALSE(grad_enabled());
    std::thread([] { EXPECT_TRUE(grad_enabled()); }).join();  // other threads go on recording
  }
  EXPECT_TRUE(multiply(x, x).requires_grad());
}

TEST(Modes, NoGradIsLeftWhenSomethingThrows) {
  try {
    const NoGrad no_grad;
    throw std::runtime_error("inside");
  } catch (const std::runtime_error&) {
  }
  EXPECT_TRUE(grad_enabled());
}

TEST(Modes, DetachStopsTheGradient) {
  const Variable x = leaf({2, 3});
  backward(sum(multiply(x, multiply(x, x).detach())));
  EXPECT_EQ(gradient_of(x), (Values{4, 9}));
  EXPECT_FALSE(x.detach().requires_grad());
  EXPECT_TRUE(x.detach().value().shares_storage_with(x.value()));
}

TEST(Modes, AGraphBuiltOnTwoThreads) {
  const Variable x = leaf({2, 3});
  Variable y;
  // The other thread is younger, with fewer nodes behind it than this one.
  for (int i = 0; i < 10; ++i) static_cast<void>(multiply(x, x));
  const Variable first = multiply(x, x);
  std::thread([&] { y = scale(add(first, x), 2); }).join();
  backward(sum(add(y, first)));
  EXPECT_EQ(gradient_of(x), (Values{14, 20}));  // d(3 x^2 + 2 x)
}

// A hook fires once a pass, with the whole gradient.
struct HookLog {
  int calls = 0;
  Values gradient;
};
void watch(const Variable& x, HookLog& log) {
  x.slot()->on_ready = [&log](const Tensor& gradient) {
    ++log.calls;
    log.gradient = gradient.defined() ? values_of(gradient) : Values{};
  };
}

TEST(Hooks, FireOnceAfterTheLastContribution) {
  const Variable x = leaf({1, 2});
  const Variable w = leaf({3, 4});
  HookLog x_log;
  HookLog w_log;
  watch(x, x_log);
  watch(w, w_log);
  // w is used early, late, and twice in one op.
  const Variable early = multiply(x, w);
  const Variable late = add(early, multiply(w, w));
  backward(sum(multiply(late, w)));  // x w^2 + w^3
  EXPECT_EQ(w_log.calls, 1);
  EXPECT_EQ(w_log.gradient, (Values{2 * 3 + 27, 2 * 2 * 4 + 48}));
  EXPECT_EQ(x_log.calls, 1);
  EXPECT_EQ(x_log.gradient, (Values{9, 16}));
  backward(sum(multiply(x, w)));
  EXPECT_EQ(w_log.calls, 2);  // once more in a second pass, with the accumulated gradient
  EXPECT_EQ(w_log.gradient, (Values{34, 66}));
}

TEST(Hooks, FireAsSoonAsTheirGradientIsComplete) {
  std::vector<std::string> order;
  const Variable x = leaf({1, 2});
  const Variable first = leaf({3, 4});
  const Variable second = leaf({5, 6});
  const auto note = [&](const char* name) {
    return [&order, name](const Tensor&) { order.emplace_back(name); };
  };
  x.slot()->on_ready = note("x");
  first.slot()->on_ready = note("first");
  second.slot()->on_ready = note("second");
  const Variable probe = record("probe", multiply(x, first).value(), {multiply(x, first)},
                                [&](const Tensor&) { order.emplace_back("between"); });
  backward(sum(multiply(probe, second)));
  ASSERT_GE(order.size(), 2u);
  EXPECT_EQ(order[0], "second");  // while the rest of the backward is still to come
  EXPECT_EQ(order[1], "between");
}

// Where a table's rows are wanted, lookups hand them over, and nobody waits for lookups.
TEST(Hooks, TakeRowsOfLookups) {
  std::vector<std::string> order;
  const Variable table(Tensor::from(Values{1, 2, 3, 4, 5, 6}, {3, 2}), true);
  const Variable untied(Tensor::from(Values{1, 2}, {1, 2}), true);
  const auto note = [&](const Variable& x, const std::string& name) {
    x.slot()->on_ready = [&order, name](const Tensor& gradient) {
      order.push_back(name + (gradient.defined() ? " ready" : " ready, nothing"));
    };
    x.slot()->on_rows = [&order, name](const Tensor& ids, const Tensor& dy) {
      order.push_back(name + fmt::format(" {} {}", ids.size(), values_of(dy)[0]));
    };
  };
  note(table, "table");
  note(untied, "untied");
  const auto pass = [&] {
    const Variable rows = embedding(table, testing::int_tensor({2, 0}));
    const Variable row = embedding(untied, testing::int_tensor({0, 0}));
    const Variable mid = scale(add(rows, row), 3);
    const Variable probe =
        record("probe", mid.value(), {mid}, [&, slot = mid.slot()](const Tensor& dy) {
          order.emplace_back("between");
          slot->add(dy);
        });
    backward(sum(linear(probe, table)));
  };
  pass();
  EXPECT_EQ(order, (std::vector<std::string>{"untied ready, nothing", "table ready", "between",
                                             "untied 2 27", "table 2 27"}));
  const Values head = gradient_of(table);
  EXPECT_FALSE(untied.gradient().defined());
  // As before where nobody asks for them.
  order.clear();
  table.slot()->on_rows = nullptr;
  untied.slot()->on_rows = nullptr;
  table.slot()->gradient = Tensor();
  pass();
  EXPECT_EQ(order, (std::vector<std::string>{"between", "untied ready", "table ready"}));
  const Values whole = gradient_of(table);
  EXPECT_EQ(whole[0], head[0] + 27);
  EXPECT_EQ(whole[2], head[2]);
  EXPECT_EQ(whole[4], head[4] + 27);
}

TEST(Hooks, FireWithoutAGradientWhereNoneFlows) {
  const Variable x = leaf({1, 2});
  const Variable w = leaf({3, 4});
  HookLog log;
  watch(w, log);
  // A node that passes nothing on: w is reached, and every rank must hear of it, without gradient.
  const Variable stopped =
      record("stop", Tensor::from(Values{0, 0}, {2}), {multiply(x, w)}, [](const Tensor&) {});
  backward(sum(stopped));
  EXPECT_EQ(log.calls, 1);
  EXPECT_TRUE(log.gradient.empty());
  EXPECT_FALSE(w.gradient().defined());
}

TEST(Memory, EverythingIsGivenBack) {
  const core::Device cpu;
  const std::int64_t start = core::memory_stats(cpu).current;
  {
    const Variable x(random_tensor({64, 32}, DType::float32, 1), true);
    const Variable w(random_tensor({32}, DType::float32, 2), true);
    const Variable loss = sum(rms_norm(multiply(x, x), w, 1e-5));
    backward(loss);
    // What is left: two leaves with their gradients, and the loss.
    EXPECT_EQ(core::memory_stats(cpu).current - start, 2 * (64 * 32 + 32) * 4 + 4);
  }
  EXPECT_EQ(core::memory_stats(cpu).current, start);
}

TEST(Memory, AGraphThatIsNeverRunIsGivenBack) {
  const std::int64_t start = core::memory_stats({}).current;
  {
    const Variable x(random_tensor({64, 32}, DType::float32, 1), true);
    Variable y = x;
    for (int i = 0; i < 1000; ++i) y = scale(y, 1.001);
  }
  EXPECT_EQ(core::memory_stats({}).current, start);
}

TEST(Memory, SavedTensorsAreReleasedWhileTheBackwardRuns) {
  constexpr int kLayers = 8;
  constexpr std::int64_t kBytes = 128 * 64 * 4;  // of one activation
  const Variable w(Tensor::full({64}, 1.0, DType::float32), true);
  Variable x(random_tensor({128, 64}, DType::float32, 1), true);
  std::vector<std::int64_t> in_use;  // when the backward comes by, last layer first
  for (int layer = 0; layer < kLayers; ++layer) {
    x = rms_norm(x, w, 1e-5);  // saves its input
    x = record("probe", x.value(), {x}, [&in_use, slot = x.slot()](const Tensor& dy) {
      in_use.push_back(core::memory_stats({}).current);
      slot->add(dy);
    });
  }
  const Variable loss = sum(x);
  x = Variable();
  backward(loss);
  ASSERT_EQ(in_use.size(), static_cast<std::size_t>(kLayers));
  for (std::size_t i = 2; i < in_use.size(); ++i) {
    EXPECT_LE(in_use[i], in_use[i - 1] - kBytes) << "layer " << kLayers - i;
  }
}

TEST(Memory, InferenceKeepsNothing) {
  const NoGrad no_grad;
  const Variable w(Tensor::full({64}, 1.0, DType::float32), true);
  Variable x(random_tensor({128, 64}, DType::float32, 1));
  core::reset_peak({});
  const std::int64_t start = core::memory_stats({}).current;
  for (int layer = 0; layer < 8; ++layer) x = rms_norm(x, w, 1e-5);
  EXPECT_LE(core::memory_stats({}).peak - start, 3 * 128 * 64 * 4);
}

}  // namespace
}  // namespace unfold::autograd
