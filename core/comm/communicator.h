// Communicator: the processes of one run and the collectives they need. One process today; MPI and
// NCCL implement the same interface.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "core/tensor.h"

namespace unfold::core {

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;        // 0 .. world_size() - 1
  virtual int world_size() const = 0;
  bool is_root() const { return rank() == 0; }

  // Every process ends with the sum over all processes, added in the order of ranks.
  virtual void all_reduce_sum(const Tensor& tensor) = 0;
  virtual void all_reduce_sum(std::span<double> values) = 0;
  virtual void all_reduce_sum(std::span<std::int64_t> values) = 0;
  // Every process ends with the largest value.
  virtual void all_reduce_max(std::span<double> values) = 0;
  // Every process ends with root's bytes.
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  virtual void barrier() = 0;
};

// A world of one process: every collective leaves its values as they are.
std::unique_ptr<Communicator> make_single_process();

}  // namespace unfold::core
