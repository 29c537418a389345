#include <algorithm>
#include <vector>

#include "core/kernels/float_types.h"
#include "core/kernels/nn.h"
#include "core/parallel.h"

namespace unfold::core::kernels::cpu {
namespace {

constexpr std::int64_t kGrainElements = 1 << 15;

std::int64_t row_grain(std::int64_t width) {
  return std::max<std::int64_t>(1, kGrainElements / std::max<std::int64_t>(1, width));
}

// target[index[m] - first_row] += x[m], where target has that row. Rows that go to one target row
// are added in order of m by one thread: positions are sorted by target first, and whole groups are
// handed out.
void scatter_rows(const Tensor& x, const Tensor& index, std::int64_t first_row,
                  const Tensor& target) {
  const std::int64_t width = x.dim(1);
  const std::int32_t* to = index.data<std::int32_t>();
  std::vector<std::int32_t> sorted;
  sorted.reserve(static_cast<std::size_t>(index.size()));
  for (std::int32_t m = 0; m < static_cast<std::int32_t>(index.size()); ++m) {
    if (to[m] >= first_row && to[m] < first_row + target.dim(0)) sorted.push_back(m);
  }
  const auto count = static_cast<std::int64_t>(sorted.size());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](std::int32_t a, std::int32_t b) { return to[a] < to[b]; });
  std::vector<std::int64_t> group_begin;
  for (std::int64_t i = 0; i < count; ++i) {
    if (i == 0 ||
        to[sorted[static_cast<std::size_t>(i)]] != to[sorted[static_cast<std::size_t>(i - 1)]]) {
      group_begin.push_back(i);
    }
  }
  const auto groups = static_cast<std::int64_t>(group_begin.size());
  group_begin.push_back(count);
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const T* in = x.data<T>();
    A* out = target.data<A>();
    parallel_for(groups, row_grain(width), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t group = begin; group < end; ++group) {
        const std::int64_t first = group_begin[static_cast<std::size_t>(group)];
        const std::int64_t last = group_begin[static_cast<std::size_t>(group) + 1];
        A* row = out + (to[sorted[static_cast<std::size_t>(first)]] - first_row) * width;
        for (std::int64_t at = first; at < last; ++at) {
          const T* value =
              in + static_cast<std::int64_t>(sorted[static_cast<std::size_t>(at)]) * width;
          for (std::int64_t i = 0; i < width; ++i) row[i] += A(value[i]);
        }
      }
    });
  });
}

}  // namespace

void gather_rows(const Tensor& x, const Tensor& index, const Tensor& y) {
  on_float(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const std::int64_t width = x.dim(1);
    const T* in = x.data<T>();
    const std::int32_t* from = index.data<std::int32_t>();
    T* out = y.data<T>();
    parallel_for(index.size(), row_grain(width), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        std::copy_n(in + from[row] * width, width, out + row * width);
      }
    });
  });
}

void scatter_add_rows(const Tensor& x, const Tensor& index, const Tensor& y) {
  scatter_rows(x, index, 0, y);
}

void embedding(const Tensor& table, const Tensor& ids, const Tensor& y) {
  gather_rows(table, ids, y);
}

void embedding_backward(const Tensor& dy, const Tensor& ids, std::int64_t first,
                        const Tensor& dtable) {
  scatter_rows(dy, ids, first, dtable);
}

}  // namespace unfold::core::kernels::cpu
