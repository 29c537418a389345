#include "train/lookup_rows.h"

#include <algorithm>
#include <span>

#include "core/kernels/elementwise.h"
#include "core/kernels/nn.h"

namespace unfold::train {

using core::Tensor;

bool LookupRows::worth_it(const Tensor& table, core::DType gradient, std::int64_t positions,
                          int world_size, bool shared) {
  // Rows of the table's width that go over the wire, as multiples of (world_size - 1) / world_size.
  const auto rows = static_cast<std::size_t>(world_size * positions) * core::size_of(table.dtype());
  const auto sums =
      static_cast<std::size_t>(table.dim(0)) * core::size_of(gradient) * (shared ? 1 : 2);
  return rows <= sums;
}

void LookupRows::add_all_to(const Tensor& dtable, std::int64_t first) {
  const auto self = static_cast<std::size_t>(world_.rank());
  std::vector<std::int64_t> counts(static_cast<std::size_t>(world_.world_size()));
  for (const auto& [ids, dy] : taken_) counts[self] += ids.size();
  world_.all_reduce_sum(std::span(counts));
  const std::int64_t most = *std::max_element(counts.begin(), counts.end());
  if (most > 0) {
    // Every rank has a place of whole units, which is its share of the tensor.
    const std::int64_t place = (most + core::kShareUnit - 1) / core::kShareUnit * core::kShareUnit;
    const std::int64_t total = place * world_.world_size();
    const Tensor ids = Tensor::empty({total}, core::DType::int32, dtable.device());
    const Tensor rows = Tensor::empty({total, dtable.dim(1)}, dtype_, dtable.device());
    std::int64_t at = place * world_.rank();
    for (const auto& [own_ids, dy] : taken_) {
      const std::int64_t end = at + own_ids.size();
      core::kernels::copy(own_ids, ids.slice(0, at, end));
      core::kernels::copy(dy, rows.slice(0, at, end));
      at = end;
    }
    world_.wait(world_.start_all_gather({ids, rows}));
    for (std::size_t rank = 0; rank < counts.size(); ++rank) {
      const std::int64_t begin = place * static_cast<std::int64_t>(rank);
      const std::int64_t end = begin + counts[rank];
      core::kernels::embedding_backward(rows.slice(0, begin, end), ids.slice(0, begin, end), first,
                                        dtable);
    }
  }
  taken_.clear();
}

}  // namespace unfold::train
