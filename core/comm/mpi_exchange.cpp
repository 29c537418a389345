#include "core/comm/mpi_exchange.h"

#include <algorithm>
#include <cstring>

#include "core/comm/rank_sum.h"
#include "core/cuda/side_stream.h"
#include "core/memory.h"

namespace unfold::core::mpi {
namespace {

constexpr std::int64_t kRoundBytes = std::int64_t{16} << 20;  // of all ranks' parts together
constexpr int kTag = 1;

std::byte* at(const Tensor& tensor, std::int64_t element) {
  return static_cast<std::byte*>(tensor.raw()) +
         static_cast<std::size_t>(element) * size_of(tensor.dtype());
}

std::vector<Share> shares_of(std::int64_t size, int world_size, bool units) {
  std::vector<Share> shares;
  for (int rank = 0; rank < world_size; ++rank) {
    shares.push_back(units ? share_of(size, rank, world_size)
                           : even_share_of(size, rank, world_size));
  }
  return shares;
}

}  // namespace

// Two pieces of host memory a rank: what others sent, and, for a GPU, the tensor's own parts.
struct TensorExchange::Staging {
  bool page_locked = false;
  std::byte* memory = nullptr;
  std::size_t slot = 0;  // bytes a part
  std::unique_ptr<cuda::SideStream> stream;

  ~Staging() { release(); }
  void release() {
    if (page_locked) {
      cuda::release_host(memory);
    } else {
      ::operator delete(memory);
    }
    memory = nullptr;
  }
  void make(std::size_t wanted_slot, std::size_t slots, bool locked) {
    if (memory != nullptr && page_locked == locked && slot >= wanted_slot) return;
    release();
    page_locked = locked;
    slot = wanted_slot;
    void* const fresh = locked ? cuda::allocate_host(slot * slots) : ::operator new(slot* slots);
    memory = static_cast<std::byte*>(fresh);
  }
};

TensorExchange::TensorExchange(Runtime& runtime, MPI_Comm comm, int rank, int world_size,
                               std::function<void()> stopped)
    : runtime_(runtime),
      comm_(comm),
      rank_(rank),
      world_size_(world_size),
      stopped_(std::move(stopped)),
      staging_(std::make_unique<Staging>()) {}
TensorExchange::~TensorExchange() = default;

std::byte* TensorExchange::staged(std::size_t index) {
  return staging_->memory + index * staging_->slot;
}

void TensorExchange::use_device(const Tensor& tensor, void* mark) {
  const auto ranks = static_cast<std::size_t>(world_size_);
  const bool on_gpu = tensor.device().type == DeviceType::cuda;
  // The last part of a share may be longer than the others by what units leave over.
  const std::size_t slot = static_cast<std::size_t>(kRoundBytes) / ranks + 64;
  staging_->make(slot, 2 * ranks, on_gpu);
  if (!on_gpu) return;
  const int device = tensor.device().index;
  if (!staging_->stream || staging_->stream->device() != device) {
    staging_->stream = std::make_unique<cuda::SideStream>(device);
  }
  staging_->stream->wait_for(mark);
}

void TensorExchange::in_rounds(const std::vector<Share>& shares, DType dtype,
                               const std::function<void(const std::vector<Share>&)>& round) const {
  const std::int64_t step = std::max<std::int64_t>(
      1, kRoundBytes / world_size_ / static_cast<std::int64_t>(size_of(dtype)));
  std::int64_t longest = 0;
  for (const Share& share : shares) longest = std::max(longest, share.size());
  for (std::int64_t done = 0; done < longest; done += step) {
    std::vector<Share> parts;
    for (const Share& share : shares) {
      const std::int64_t begin = std::min(share.begin + done, share.end);
      parts.push_back({begin, std::min(begin + step, share.end)});
    }
    round(parts);
  }
}

// The sum of this rank's part over all ranks, in place.
void TensorExchange::sum_round(const Tensor& tensor, const std::vector<Share>& parts) {
  const bool on_gpu = tensor.device().type == DeviceType::cuda;
  const std::size_t width = size_of(tensor.dtype());
  const auto ranks = static_cast<std::size_t>(world_size_);
  const auto self = static_cast<std::size_t>(rank_);
  std::vector<MPI_Request> requests;
  std::vector<const std::byte*> sources(ranks);
  const auto own_part = [&](std::size_t rank) {
    return on_gpu ? staged(ranks + rank) : at(tensor, parts[rank].begin);
  };
  const auto bytes_of = [&](std::size_t rank) {
    return static_cast<std::size_t>(parts[rank].size()) * width;
  };
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    if (rank == self || parts[self].size() == 0) continue;
    sources[rank] = staged(rank);
    runtime_.call("receiving gradients", [&] {
      return MPI_Irecv(staged(rank), static_cast<int>(bytes_of(self)), MPI_BYTE,
                       static_cast<int>(rank), kTag, comm_, &requests.emplace_back());
    });
  }
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    if (parts[rank].size() == 0) continue;
    if (on_gpu) {
      staging_->stream->copy_to_host(own_part(rank), at(tensor, parts[rank].begin), bytes_of(rank));
    }
    if (rank == self) {
      sources[rank] = own_part(rank);
      continue;
    }
    runtime_.call("sending gradients", [&] {
      return MPI_Isend(own_part(rank), static_cast<int>(bytes_of(rank)), MPI_BYTE,
                       static_cast<int>(rank), kTag, comm_, &requests.emplace_back());
    });
  }
  runtime_.wait(requests, "exchanging gradients", stopped_);
  if (parts[self].size() == 0) return;
  sum_in_order(tensor.dtype(), sources, parts[self].size(), own_part(self));
  if (on_gpu) {
    staging_->stream->copy_to_device(at(tensor, parts[self].begin), own_part(self), bytes_of(self));
  }
}

// Every rank's part goes to all others.
void TensorExchange::spread_round(const Tensor& tensor, const std::vector<Share>& parts) {
  const bool on_gpu = tensor.device().type == DeviceType::cuda;
  const std::size_t width = size_of(tensor.dtype());
  const auto ranks = static_cast<std::size_t>(world_size_);
  const auto self = static_cast<std::size_t>(rank_);
  const auto place = [&](std::size_t rank) {
    return on_gpu ? staged(rank) : at(tensor, parts[rank].begin);
  };
  const auto bytes_of = [&](std::size_t rank) {
    return static_cast<std::size_t>(parts[rank].size()) * width;
  };
  if (on_gpu && parts[self].size() > 0) {
    staging_->stream->copy_to_host(place(self), at(tensor, parts[self].begin), bytes_of(self));
  }
  std::vector<MPI_Request> requests;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    if (rank == self) continue;
    const int other = static_cast<int>(rank);
    if (parts[rank].size() > 0) {
      runtime_.call("receiving values", [&] {
        return MPI_Irecv(place(rank), static_cast<int>(bytes_of(rank)), MPI_BYTE, other, kTag,
                         comm_, &requests.emplace_back());
      });
    }
    if (parts[self].size() > 0) {
      runtime_.call("sending values", [&] {
        return MPI_Isend(place(self), static_cast<int>(bytes_of(self)), MPI_BYTE, other, kTag,
                         comm_, &requests.emplace_back());
      });
    }
  }
  runtime_.wait(requests, "exchanging values", stopped_);
  if (!on_gpu) return;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    if (rank == self || parts[rank].size() == 0) continue;
    staging_->stream->copy_to_device(at(tensor, parts[rank].begin), place(rank), bytes_of(rank));
  }
}

void TensorExchange::all_reduce_sum(const Tensor& tensor, void* mark) {
  use_device(tensor, mark);
  in_rounds(shares_of(tensor.size(), world_size_, false), tensor.dtype(),
            [&](const std::vector<Share>& parts) {
              sum_round(tensor, parts);
              spread_round(tensor, parts);
            });
}

void TensorExchange::reduce_scatter_sum(const Tensor& all, const Tensor& mine, void* mark) {
  use_device(all, mark);
  const std::vector<Share> shares = shares_of(all.size(), world_size_, true);
  in_rounds(shares, all.dtype(), [&](const std::vector<Share>& parts) { sum_round(all, parts); });
  const Share own = shares[static_cast<std::size_t>(rank_)];
  if (own.size() == 0) return;
  const std::size_t bytes = static_cast<std::size_t>(own.size()) * size_of(all.dtype());
  if (all.device().is_cpu()) {
    std::memcpy(mine.raw(), at(all, own.begin), bytes);
    return;
  }
  staging_->stream->copy_on_device(mine.raw(), at(all, own.begin), bytes);
}

void TensorExchange::all_gather(const Tensor& tensor, void* mark) {
  use_device(tensor, mark);
  in_rounds(shares_of(tensor.size(), world_size_, true), tensor.dtype(),
            [&](const std::vector<Share>& parts) { spread_round(tensor, parts); });
}

}  // namespace unfold::core::mpi
