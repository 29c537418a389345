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

// Copies within a device that leave its multiprocessors alone.
class Copies {
 public:
  void add(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0) return;
    to_.push_back(to);
    from_.push_back(from);
    bytes_.push_back(bytes);
  }
  void run(const cuda::SideStream& side) {
    if (to_.empty()) return;
    const auto stream = static_cast<cudaStream_t>(side.native());
#if CUDART_VERSION >= 13000
    cudaMemcpyAttributes attributes = {};
    attributes.srcAccessOrder = cudaMemcpySrcAccessOrderStream;
    attributes.flags = cudaMemcpyFlagPreferOverlapWithCompute;
    std::size_t first = 0;
    cuda::check_status(cudaMemcpyBatchAsync(to_.data(), from_.data(), bytes_.data(), to_.size(),
                                            &attributes, &first, 1, stream),
                       "copying on the GPU");
#else
    for (std::size_t i = 0; i < to_.size(); ++i) {
      cuda::check_status(
          cudaMemcpyAsync(to_[i], from_[i], bytes_[i], cudaMemcpyDeviceToDevice, stream),
          "copying on the GPU");
    }
#endif
  }

 private:
  std::vector<void*> to_;
  std::vector<const void*> from_;
  std::vector<std::size_t> bytes_;
};

std::string_view setting() {
  const char* const value = std::getenv("UNFOLD_COPY_ENGINES");
  return value == nullptr ? "" : value;
}
bool wished() {
  return setting() == "1" || setting() == "always";
}

}  // namespace

#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 28, 0)

void CopyExchange::configure(ncclConfig_t& config) {
  if (wished()) config.CTAPolicy = NCCL_CTA_POLICY_ZERO;
}

bool CopyExchange::allocate() {
  for (Buffer* buffer : buffers()) {
    if (ncclMemAlloc(&buffer->memory, kBufferBytes) != ncclSuccess) return false;
  }
  return true;
}

bool CopyExchange::show() {
  bool shown = true;
  for (Buffer* buffer : buffers()) {
    ncclWindow_t window = nullptr;
    shown = ncclCommWindowRegister(comm_, buffer->memory, kBufferBytes, &window,
                                   NCCL_WIN_COLL_SYMMETRIC) == ncclSuccess &&
            window != nullptr && shown;  // none: NCCL does not do it on this machine
    buffer->window = window;
  }
  return shown;
}

std::unique_ptr<CopyExchange> CopyExchange::make(ncclComm_t comm, Communicator& world, int device) {
  // What one rank can't do none does.
  const auto all = [&](bool one) {
    std::array<std::int64_t, 1> count = {one ? 1 : 0};
    world.all_reduce_sum(std::span<std::int64_t>(count));
    return count[0] == world.world_size();
  };
  if (world.world_size() < 2 || !all(wished() && world.local_size() == world.world_size())) {
    return nullptr;
  }
  std::unique_ptr<CopyExchange> exchange(
      new CopyExchange(comm, world.rank(), world.world_size(), device));
  if (!all(exchange->allocate()) || !all(exchange->show())) return nullptr;
  if (world.is_root()) log::info("gradients are exchanged by copy engines");
  return exchange;
}

CopyExchange::~CopyExchange() {
  into_.synchronize();
  out_of_.synchronize();
  for (const Buffer* buffer : buffers()) {
    if (buffer->window != nullptr) {
      ncclCommWindowDeregister(comm_, static_cast<ncclWindow_t>(buffer->window));
    }
    if (buffer->memory != nullptr) ncclMemFree(buffer->memory);
  }
}

void CopyExchange::reduce(DType dtype, const Passage& passage, cuda::SideStream& stream) {
  const Buffers& buffers = passage.buffers;
  check_nccl(ncclAlltoAll(buffers.out.memory, buffers.in.memory, passage.bytes, ncclInt8, comm_,
                          static_cast<cudaStream_t>(stream.native())),
             "exchanging gradients");
  cuda::sum_parts(dtype, buffers.in.memory, world_size_, passage.elements,
                  slot(buffers.out, rank_, passage), stream.native());
}

void CopyExchange::spread(const std::vector<Tensor>& tensors, const Passage& passage,
                          cuda::SideStream& stream) {
  const Buffer& out = passage.buffers.out;
  check_nccl(ncclAllGather(slot(out, rank_, passage), out.memory, passage.bytes, ncclInt8, comm_,
                           static_cast<cudaStream_t>(stream.native())),
             "spreading values");
  const std::shared_ptr<void> spread = owned(stream.mark());
  out_of_.wait_for(spread.get());
  Copies copies;
  for (const Stretch& stretch : passage.piece.stretches) {
    const Tensor& tensor = tensors[stretch.tensor];
    for (int rank = 0; rank < world_size_; ++rank) {
      const Share part = stretch.in(tensor.size(), rank, world_size_);
      copies.add(at(tensor, part.begin), slot(out, rank, passage) + bytes_of(tensor, stretch.at),
                 bytes_of(tensor, part.size()));
    }
  }
  copies.run(out_of_);
}

#else  // an older NCCL

void CopyExchange::configure(ncclConfig_t&) {}
bool CopyExchange::allocate() {
  return false;
}
bool CopyExchange::show() {
  return false;
}
std::unique_ptr<CopyExchange> CopyExchange::make(ncclComm_t, Communicator&, int) {
  return nullptr;
}
CopyExchange::~CopyExchange() = default;
void CopyExchange::reduce(DType, const Passage&, cuda::SideStream&) {}
void CopyExchange::spread(const std::vector<Tensor>&, const Passage&, cuda::SideStream&) {}

#endif

bool CopyExchange::worth_it(const std::vector<Tensor>& tensors) {
  std::size_t bytes = 0;
  for (const Tensor& tensor : tensors) {
    if (tensor.dtype() != tensors.front().dtype()) return false;
    bytes += tensor.bytes();
  }
  return bytes >= kLeastBytes || setting() == "always";
}

CopyExchange::CopyExchange(ncclComm_t comm, int rank, int world_size, int device)
    : comm_(comm), rank_(rank), world_size_(world_size), into_(device), out_of_(device) {}

char* CopyExchange::slot(const Buffer& buffer, int rank, const Passage& passage) const {
  return static_cast<char*>(buffer.memory) + static_cast<std::size_t>(rank) * passage.bytes;
}

std::vector<SharePiece> CopyExchange::pieces_of(const std::vector<Tensor>& tensors) const {
  std::vector<std::int64_t> sizes;
  for (const Tensor& tensor : tensors) sizes.push_back(tensor.size());
  const auto room = static_cast<std::int64_t>(kBufferBytes / size_of(tensors.front().dtype()) /
                                              static_cast<std::size_t>(world_size_));
  return share_pieces(sizes, world_size_, room / kAligned * kAligned);
}

CopyExchange::Passage CopyExchange::begin(const SharePiece& piece, DType dtype, void* ready) {
  Buffers& buffers = buffers_[next_++ % std::size(buffers_)];
  into_.wait_for(ready);
  if (buffers.copied_out) into_.wait_for(buffers.copied_out.get());
  const std::int64_t elements = (piece.slot + kAligned - 1) / kAligned * kAligned;
  return {buffers, piece, elements, static_cast<std::size_t>(elements) * size_of(dtype)};
}

void CopyExchange::copy_in(const std::vector<Tensor>& tensors, const Passage& passage,
                           cuda::SideStream& stream) {
  Copies copies;
  for (const Stretch& stretch : passage.piece.stretches) {
    const Tensor& tensor = tensors[stretch.tensor];
    for (int rank = 0; rank < world_size_; ++rank) {
      const Share part = stretch.in(tensor.size(), rank, world_size_);
      copies.add(slot(passage.buffers.out, rank, passage) + bytes_of(tensor, stretch.at),
                 at(tensor, part.begin), bytes_of(tensor, part.size()));
    }
  }
  copies.run(into_);
  const std::shared_ptr<void> copied = owned(into_.mark());
  stream.wait_for(copied.get());
}

void CopyExchange::finish(const Passage& passage) {
  done_ = passage.buffers.copied_out = owned(out_of_.mark());
}

void CopyExchange::join(cuda::SideStream& stream) {
  if (done_) stream.wait_for(done_.get());
}

std::shared_ptr<void> CopyExchange::all_reduce_sum(const std::vector<Tensor>& tensors, void* ready,
                                                   cuda::SideStream& stream) {
  const DType dtype = tensors.front().dtype();
  for (const SharePiece& piece : pieces_of(tensors)) {
    const Passage passage = begin(piece, dtype, ready);
    copy_in(tensors, passage, stream);
    reduce(dtype, passage, stream);
    spread(tensors, passage, stream);
    finish(passage);
  }
  return done_;
}

std::shared_ptr<void> CopyExchange::reduce_scatter_sum(const std::vector<Tensor>& all,
                                                       const std::vector<Tensor>& mine, void* ready,
                                                       cuda::SideStream& stream) {
  const DType dtype = all.front().dtype();
  for (const SharePiece& piece : pieces_of(all)) {
    const Passage passage = begin(piece, dtype, ready);
    copy_in(all, passage, stream);
    reduce(dtype, passage, stream);
    const std::shared_ptr<void> reduced = owned(stream.mark());
    out_of_.wait_for(reduced.get());
    Copies copies;
    for (const Stretch& stretch : piece.stretches) {
      const Tensor& tensor = mine[stretch.tensor];
      const Share part = stretch.in(all[stretch.tensor].size(), rank_, world_size_);
      copies.add(at(tensor, stretch.begin),
                 slot(passage.buffers.out, rank_, passage) + bytes_of(tensor, stretch.at),
                 bytes_of(tensor, part.size()));
    }
    copies.run(out_of_);
    finish(passage);
  }
  return done_;
}

}  // namespace unfold::core
