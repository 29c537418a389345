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

void LookupRows::start() {
  const auto self = static_cast<std::size_t>(world_.rank());
  std::vector<std::int64_t> counts(static_cast<std::size_t>(world_.world_size()), 0);
  for (const auto& [ids, dy] : taken_) counts[self] += ids.size();
  world_.all_reduce_sum(std::span(counts));
  const std::int64_t most = *std::max_element(counts.begin(), counts.end());
  if (most > 0) {
    // Whole units: a place is its rank's share of the tensor.
    const std::int64_t place = (most + core::kShareUnit - 1) / core::kShareUnit * core::kShareUnit;
    const std::int64_t total = place * world_.world_size();
    ids_ = Tensor::empty({total}, core::DType::int32, table_.device());
    rows_ = Tensor::empty({total, table_.dim(1)}, table_.dtype(), table_.device());
    std::int64_t at = place * world_.rank();
    for (const auto& [ids, dy] : taken_) {
      const std::int64_t end = at + ids.size();
      core::kernels::copy(ids, ids_.slice(0, at, end));
      core::kernels::copy(dy, rows_.slice(0, at, end));
      at = end;
    }
    // What is left of the place is of no row.
    const std::int64_t end = place * (world_.rank() + 1);
    if (at < end) {
      const std::vector<std::int32_t> none(static_cast<std::size_t>(end - at), -1);
      core::kernels::copy(Tensor::from(none, {end - at}, table_.device()), ids_.slice(0, at, end));
    }
    ticket_ = world_.start_all_gather({ids_, rows_});
  }
  taken_.clear();
}

void LookupRows::add_to(const Tensor& dtable, std::int64_t first) {
  if (!rows_.defined()) return;
  world_.wait(ticket_);
  core::kernels::embedding_backward(rows_, ids_, first, dtable);
  ids_ = rows_ = Tensor();
}

}  // namespace unfold::train
