// What lookups add to the gradient of an embedding, exchanged between ranks as rows.
//
// Most of that gradient is zero: a pass looks up some thousand rows of a table of a hundred
// thousand. And it comes last, when nothing is left to hide a sum behind. So what a tied head adds
// is summed over ranks as other gradients are, early in the backward pass, and the rows of lookups
// follow by themselves: every rank gets the rows of all ranks and adds them up in the same order.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/comm/communicator.h"
#include "core/tensor.h"

namespace unfold::train {

class LookupRows {
 public:
  // world must outlive it.
  LookupRows(core::Communicator& world, const core::Tensor& table) : world_(world), table_(table) {}

  // Whether exchanging rows takes less than summing the table's gradient does. positions: looked up
  // by a rank in a pass; gradient: the dtype sums are sent in; shared: sums are scattered (ZeRO-1).
  static bool worth_it(const core::Tensor& table, core::DType gradient, std::int64_t positions,
                       int world_size, bool shared);

  // dy[n] belongs to row ids[n]. ids (N) int32, dy (N, W).
  void take(const core::Tensor& ids, const core::Tensor& dy) { taken_.emplace_back(ids, dy); }
  // Starts giving what this rank took to all others, and forgets it. Collective; waits for all
  // ranks, not for the device.
  void start();
  // Then adds the rows of all ranks to dtable, the rows of the table from `first` on.
  void add_to(const core::Tensor& dtable, std::int64_t first);

 private:
  core::Communicator& world_;
  core::Tensor table_;
  std::vector<std::pair<core::Tensor, core::Tensor>> taken_;
  // On their way: every rank has a place of as many rows; those it does not fill have the id -1.
  core::Tensor ids_, rows_;
  core::Communicator::Ticket ticket_ = 0;
};

}  // namespace unfold::train
