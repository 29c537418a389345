#include "gsa/cpu/observation.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/cpu/scalar.h"
#include "core/parallel_deal.h"

namespace unfold::gsa::kernels::cpu {
namespace {

using core::Tensor;
using core::kernels::cpu::Accumulator;
using core::kernels::cpu::on_float;

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Queries that are taken together: a product of theirs with all keys, and a partial sum, which
// depend on nothing else, so that the number of threads does not matter.
constexpr std::int64_t kBlock = 64;

// Queries [first, last) of a sequence, by position, and a key/value head.
struct Task {
  std::size_t sequence = 0;
  std::int64_t kv_head = 0;
  std::int64_t first = 0, last = 0;
  Eigen::RowVectorXd sums;  // by raw key
};

std::vector<Task> tasks_of(const AttentionShape& shape, std::span<const CachedTokens> sequences) {
  std::vector<Task> tasks;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const CachedTokens& sequence = sequences[s];
    const std::int64_t end = std::min(sequence.prefix, sequence.tokens->size());
    for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
      if (!sequence.heads[static_cast<std::size_t>(head)]->observes()) continue;
      for (std::int64_t t = sequence.first_shown(); t < end; t += kBlock) {
        tasks.push_back({s, head, t, std::min(t + kBlock, end), {}});
      }
    }
  }
  return tasks;
}

template <typename T>
Matrix rows_as_double(const T* from, std::int64_t rows, std::int64_t width, std::int64_t stride) {
  Matrix to(rows, width);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t d = 0; d < width; ++d) {
      to(i, d) = static_cast<double>(static_cast<Accumulator<T>>(from[i * stride + d]));
    }
  }
  return to;
}

template <typename T>
void run(const Tensor& qkv, const AttentionShape& shape, const CachedTokens& sequence, Task& task) {
  const std::int64_t width = shape.width;
  const Tensor& stored = sequence.store->keys(0);
  const Matrix keys = rows_as_double(stored.data<T>() + task.kv_head * stored.dim(1) * width,
                                     task.last, width, width);
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  const std::int64_t rows = task.last - task.first;
  task.sums.setZero(task.last);
  for (std::int64_t h = 0; h < shape.group(); ++h) {
    const T* queries = qkv.data<T>() +
                       (sequence.row + task.first - sequence.first) * shape.qkv_width() +
                       (task.kv_head * shape.group() + h) * width;
    Matrix scores = rows_as_double(queries, rows, width, shape.qkv_width()) * keys.transpose();
    for (std::int64_t i = 0; i < rows; ++i) {
      auto row = scores.row(i).head(task.first + i + 1).array();
      row = ((row - row.maxCoeff()) * scale).exp();
      row /= row.sum();
      task.sums.head(row.size()) += row.matrix();
    }
  }
}

}  // namespace

void observe_prompts(const Tensor& qkv, const AttentionShape& shape,
                     std::span<const CachedTokens> sequences) {
  std::vector<Task> tasks = tasks_of(shape, sequences);
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto count = static_cast<std::int64_t>(tasks.size());
    core::parallel_deal(count, [&](std::int64_t first, std::int64_t step) {
      for (std::int64_t i = first; i < count; i += step) {
        Task& task = tasks[static_cast<std::size_t>(i)];
        run<T>(qkv, shape, sequences[task.sequence], task);
      }
    });
  });
  // The tasks of a head follow one another; the last one has the most keys.
  for (std::size_t i = 0; i < tasks.size();) {
    std::size_t end = i + 1;
    while (end < tasks.size() && tasks[end].sequence == tasks[i].sequence &&
           tasks[end].kv_head == tasks[i].kv_head) {
      ++end;
    }
    const Task& last = tasks[end - 1];
    std::vector<double> sums(static_cast<std::size_t>(last.last), 0.0);
    for (; i < end; ++i) {
      Eigen::Map<Eigen::RowVectorXd>(sums.data(), tasks[i].last) += tasks[i].sums;
    }
    sequences[last.sequence].heads[static_cast<std::size_t>(last.kv_head)]->observe(sums);
  }
}

}  // namespace unfold::gsa::kernels::cpu
