#include "core/comm/peer_memory.h"

#include <cuda_runtime_api.h>

#include <cstring>

#include "core/comm/peer_order.h"
#include "core/cuda/context.h"
#include "core/cuda/side_stream.h"

namespace unfold::core {
namespace {

// What a rank tells the others. As bytes: all are processes of one program on one host.
struct Told {
  cudaIpcMemHandle_t handle = {};
  char device[32] = {};  // its address on the host
};

}  // namespace

PeerMemory::PeerMemory(int device, int rank, int world_size, std::size_t slot_bytes)
    : device_(device),
      rank_(rank),
      world_size_(world_size),
      slot_bytes_(slot_bytes),
      blocks_(static_cast<std::size_t>(world_size), nullptr) {}

PeerMemory::~PeerMemory() {
  close();
  if (void* const mine = blocks_[static_cast<std::size_t>(rank_)]; mine != nullptr) cudaFree(mine);
}

bool PeerMemory::allocate() {
  cuda::use(device_);
  void*& mine = blocks_[static_cast<std::size_t>(rank_)];
  // Apart from the engine's memory: a handle shows all of the allocation it is of.
  cudaIpcMemHandle_t handle = {};
  if (cudaMalloc(&mine, kPeerSets * blocks_.size() * slot_bytes_) != cudaSuccess) {
    mine = nullptr;
  } else if (cudaIpcGetMemHandle(&handle, mine) != cudaSuccess) {
    cudaFree(mine);
    mine = nullptr;
  }
  cudaGetLastError();  // what failed is not the next call's error
  return mine != nullptr;
}

std::string PeerMemory::handle() const {
  Told told;
  cudaIpcGetMemHandle(&told.handle, blocks_[static_cast<std::size_t>(rank_)]);
  cuda::device_address(device_).copy(told.device, sizeof told.device - 1);
  return {reinterpret_cast<const char*>(&told), sizeof told};
}

bool PeerMemory::open(const std::vector<std::string>& handles) {
  cuda::use(device_);
  bool all = static_cast<int>(handles.size()) == world_size_;
  for (std::size_t rank = 0; all && rank < blocks_.size(); ++rank) {
    if (static_cast<int>(rank) == rank_) continue;
    Told told;
    all = handles[rank].size() == sizeof told;
    if (!all) break;
    std::memcpy(&told, handles[rank].data(), sizeof told);
    told.device[sizeof told.device - 1] = '\0';
    // A device that this process does not see (CUDA_VISIBLE_DEVICES) can't be asked about; its
    // memory may be opened all the same.
    int other = 0;
    int reachable = 1;
    if (cudaDeviceGetByPCIBusId(&other, told.device) == cudaSuccess) {
      all = cudaDeviceCanAccessPeer(&reachable, device_, other) == cudaSuccess && reachable == 1;
    }
    all = all && cudaIpcOpenMemHandle(&blocks_[rank], told.handle,
                                      cudaIpcMemLazyEnablePeerAccess) == cudaSuccess;
    if (!all) blocks_[rank] = nullptr;
  }
  cudaGetLastError();  // what failed is not the next call's error
  return all;
}

void PeerMemory::close() {
  for (std::size_t rank = 0; rank < blocks_.size(); ++rank) {
    if (static_cast<int>(rank) == rank_ || blocks_[rank] == nullptr) continue;
    cudaIpcCloseMemHandle(blocks_[rank]);
    blocks_[rank] = nullptr;
  }
}

char* PeerMemory::inbox(int owner, std::size_t set, int from) const {
  const std::size_t slot = set * blocks_.size() + static_cast<std::size_t>(from);
  return static_cast<char*>(blocks_[static_cast<std::size_t>(owner)]) + slot * slot_bytes_;
}

}  // namespace unfold::core
