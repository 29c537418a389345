// Sums and copies of tensors between ranks, by messages of bounded size.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/comm/mpi_runtime.h"
#include "core/comm/share.h"
#include "core/tensor.h"

namespace unfold::core::mpi {

class TensorExchange {
 public:
  // comm: this object's own. stopped: asked while it waits; may throw.
  TensorExchange(Runtime& runtime, MPI_Comm comm, int rank, int world_size,
                 std::function<void()> stopped);
  ~TensorExchange();
  TensorExchange(const TensorExchange&) = delete;
  TensorExchange& operator=(const TensorExchange&) = delete;

  // The tensors are contiguous. mark: of the device, behind which their values are there (nullptr
  // on the CPU). All calls of one object come from one thread.
  void all_reduce_sum(const Tensor& tensor, void* mark);
  void reduce_scatter_sum(const Tensor& all, const Tensor& mine, void* mark);
  void all_gather(const Tensor& tensor, void* mark);

 private:
  struct Staging;

  // One round: part[r] of the tensor belongs to rank r.
  std::byte* staged(std::size_t at);
  void sum_round(const Tensor& tensor, const std::vector<Share>& parts);
  void spread_round(const Tensor& tensor, const std::vector<Share>& parts);
  // Calls round(parts) until all shares are done.
  void in_rounds(const std::vector<Share>& shares, DType dtype,
                 const std::function<void(const std::vector<Share>&)>& round) const;
  void use_device(const Tensor& tensor, void* mark);

  Runtime& runtime_;
  MPI_Comm comm_;
  int rank_;
  int world_size_;
  std::function<void()> stopped_;
  std::unique_ptr<Staging> staging_;
};

}  // namespace unfold::core::mpi
