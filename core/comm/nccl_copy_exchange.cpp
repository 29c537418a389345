#include "core/comm/nccl_copy_exchange.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "core/comm/nccl_status.h"
#include "core/cuda/status.h"
#include "core/cuda/sum_parts.h"
#include "core/log.h"

namespace unfold::core {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{64} << 20;
constexpr std::size_t kLeastBytes = std::size_t{1} << 20;
constexpr std::int64_t kAligned = 16;  // elements a slot is a multiple of

char* at(const Tensor& tensor, std::int64_t element) {
  return static_cast<char*>(tensor.raw()) +
         static_cast<std::size_t>(element) * size_of(tensor.dtype());
}

// Copies within a device that leave its multiprocessors alone.
class Copies {
 public:
  void add(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0) return;
    to_.push_back(to);
    from_.push_back(from);
    bytes_.push_back(bytes);
  }
  void run(void* stream) {
    if (to_.empty()) return;
#if CUDART_VERSION >= 13000
    cudaMemcpyAttributes attributes = {};
    attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
    attributes.flags = cudaMemcpyFlagPreferOverlapWithCompute;
    std::size_t first = 0;
    cuda::check_status(
        cudaMemcpyBatchAsync(to_.data(), from_.data(), bytes_.data(), to_.size(), &attributes,
                             &first, 1, static_cast<cudaStream_t>(stream)),
        "copying on the GPU");
#else
    for (std::size_t i = 0; i < to_.size(); ++i) {
      cuda::check_status(cudaMemcpyAsync(to_[i], from_[i], bytes_[i], cudaMemcpyDeviceToDevice,
                                         static_cast<cudaStream_t>(stream)),
                         "copying on the GPU");
    }
#endif
  }

 private:
  std::vector<void*> to_;
  std::vector<const void*> from_;
  std::vector<std::size_t> bytes_;
};

std::int64_t padded(std::int64_t elements) {
  return (elements + kAligned - 1) / kAligned * kAligned;
}

std::string_view setting() {
  const char* const value = std::getenv("UNFOLD_COPY_ENGINES");
  return value == nullptr ? "" : value;
}
bool wished() {
  return setting() != "0";
}

}  // namespace

#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 28, 0)

void CopyExchange::configure(ncclConfig_t& config) {
  if (wished()) config.CTAPolicy = NCCL_CTA_POLICY_ZERO;
}

bool CopyExchange::open() {
  for (Buffer* buffer : {&out_, &in_}) {
    if (ncclMemAlloc(&buffer->memory, kBufferBytes) != ncclSuccess) return false;
    ncclWindow_t window = nullptr;
    if (ncclCommWindowRegister(comm_, buffer->memory, kBufferBytes, &window,
                               NCCL_WIN_COLL_SYMMETRIC) != ncclSuccess) {
      return false;
    }
    buffer->window = window;
    if (window == nullptr) return false;  // NCCL does not do it on this machine
  }
  return true;
}

std::unique_ptr<CopyExchange> CopyExchange::make(ncclComm_t comm, Communicator& world) {
  // What one rank can't do none does.
  const auto all = [&](bool one) {
    std::array<std::int64_t, 1> count = {one ? 1 : 0};
    world.all_reduce_sum(std::span<std::int64_t>(count));
    return count[0] == world.world_size();
  };
  if (world.world_size() < 2 || !all(wished() && world.local_size() == world.world_size())) {
    return nullptr;
  }
  std::unique_ptr<CopyExchange> exchange(new CopyExchange(comm, world.rank(), world.world_size()));
  if (!all(exchange->open())) return nullptr;
  if (world.is_root()) log::info("gradients are exchanged by copy engines");
  return exchange;
}

CopyExchange::~CopyExchange() {
  for (const Buffer& buffer : {out_, in_}) {
    if (buffer.window != nullptr) {
      ncclCommWindowDeregister(comm_, static_cast<ncclWindow_t>(buffer.window));
    }
    if (buffer.memory != nullptr) ncclMemFree(buffer.memory);
  }
}

void CopyExchange::reduce(const std::vector<Tensor>& tensors, const SharePiece& piece,
                          std::int64_t slot_elements, void* stream) {
  const DType dtype = tensors.front().dtype();
  const std::size_t element = size_of(dtype);
  const std::size_t bytes = static_cast<std::size_t>(slot_elements) * element;
  Copies pack;
  for (const Stretch& stretch : piece.stretches) {
    const Tensor& tensor = tensors[stretch.tensor];
    for (int rank = 0; rank < world_size_; ++rank) {
      const Share part = stretch.in(tensor.size(), rank, world_size_);
      pack.add(slot(out_, rank, bytes) + static_cast<std::size_t>(stretch.at) * element,
               at(tensor, part.begin), static_cast<std::size_t>(part.size()) * element);
    }
  }
  pack.run(stream);
  check_nccl(ncclAlltoAll(out_.memory, in_.memory, bytes, ncclInt8, comm_,
                          static_cast<cudaStream_t>(stream)),
             "exchanging gradients");
  cuda::sum_parts(dtype, in_.memory, world_size_, slot_elements, slot(out_, rank_, bytes), stream);
}

void CopyExchange::spread(const std::vector<Tensor>& tensors, const SharePiece& piece,
                          std::int64_t slot_elements, void* stream) {
  const std::size_t element = size_of(tensors.front().dtype());
  const std::size_t bytes = static_cast<std::size_t>(slot_elements) * element;
  check_nccl(ncclAllGather(slot(out_, rank_, bytes), out_.memory, bytes, ncclInt8, comm_,
                           static_cast<cudaStream_t>(stream)),
             "spreading values");
  Copies unpack;
  for (const Stretch& stretch : piece.stretches) {
    const Tensor& tensor = tensors[stretch.tensor];
    for (int rank = 0; rank < world_size_; ++rank) {
      const Share part = stretch.in(tensor.size(), rank, world_size_);
      unpack.add(at(tensor, part.begin),
                 slot(out_, rank, bytes) + static_cast<std::size_t>(stretch.at) * element,
                 static_cast<std::size_t>(part.size()) * element);
    }
  }
  unpack.run(stream);
}

#else  // an older NCCL

void CopyExchange::configure(ncclConfig_t&) {}
bool CopyExchange::open() {
  return false;
}
std::unique_ptr<CopyExchange> CopyExchange::make(ncclComm_t, Communicator&) {
  return nullptr;
}
CopyExchange::~CopyExchange() = default;
void CopyExchange::reduce(const std::vector<Tensor>&, const SharePiece&, std::int64_t, void*) {}
void CopyExchange::spread(const std::vector<Tensor>&, const SharePiece&, std::int64_t, void*) {}

#endif

bool CopyExchange::worth_it(const std::vector<Tensor>& tensors) {
  std::size_t bytes = 0;
  for (const Tensor& tensor : tensors) {
    if (tensor.dtype() != tensors.front().dtype()) return false;
    bytes += tensor.bytes();
  }
  return bytes >= kLeastBytes || setting() == "always";
}

char* CopyExchange::slot(const Buffer& buffer, int rank, std::size_t bytes) const {
  return static_cast<char*>(buffer.memory) + static_cast<std::size_t>(rank) * bytes;
}

std::vector<SharePiece> CopyExchange::pieces_of(const std::vector<Tensor>& tensors) const {
  std::vector<std::int64_t> sizes;
  for (const Tensor& tensor : tensors) sizes.push_back(tensor.size());
  const auto room = static_cast<std::int64_t>(
      kBufferBytes / size_of(tensors.front().dtype()) / static_cast<std::size_t>(world_size_));
  return share_pieces(sizes, world_size_, room / kAligned * kAligned);
}

void CopyExchange::all_reduce_sum(const std::vector<Tensor>& tensors, void* stream) {
  for (const SharePiece& piece : pieces_of(tensors)) {
    reduce(tensors, piece, padded(piece.slot), stream);
    spread(tensors, piece, padded(piece.slot), stream);
  }
}

void CopyExchange::reduce_scatter_sum(const std::vector<Tensor>& all,
                                      const std::vector<Tensor>& mine, void* stream) {
  const std::size_t element = size_of(all.front().dtype());
  for (const SharePiece& piece : pieces_of(all)) {
    const std::int64_t slot_elements = padded(piece.slot);
    reduce(all, piece, slot_elements, stream);
    Copies keep;
    for (const Stretch& stretch : piece.stretches) {
      const Share part = stretch.in(all[stretch.tensor].size(), rank_, world_size_);
      keep.add(at(mine[stretch.tensor], stretch.begin),
               slot(out_, rank_, static_cast<std::size_t>(slot_elements) * element) +
                   static_cast<std::size_t>(stretch.at) * element,
               static_cast<std::size_t>(part.size()) * element);
    }
    keep.run(stream);
  }
}

void CopyExchange::all_gather(const std::vector<Tensor>& tensors, void* stream) {
  const std::size_t element = size_of(tensors.front().dtype());
  for (const SharePiece& piece : pieces_of(tensors)) {
    const std::int64_t slot_elements = padded(piece.slot);
    Copies pack;
    for (const Stretch& stretch : piece.stretches) {
      const Tensor& tensor = tensors[stretch.tensor];
      const Share part = stretch.in(tensor.size(), rank_, world_size_);
      pack.add(slot(out_, rank_, static_cast<std::size_t>(slot_elements) * element) +
                   static_cast<std::size_t>(stretch.at) * element,
               at(tensor, part.begin), static_cast<std::size_t>(part.size()) * element);
    }
    pack.run(stream);
    spread(tensors, piece, slot_elements, stream);
  }
}

}  // namespace unfold::core
