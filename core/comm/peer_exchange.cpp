#include "core/comm/peer_exchange.h"

#include <cuda_runtime_api.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "core/comm/gpu_parts.h"
#include "core/cuda/context.h"
#include "core/cuda/status.h"
#include "core/cuda/sum_parts.h"
#include "core/log.h"

namespace unfold::core {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{32} << 20;
constexpr std::size_t kSlotUnit = 4096;
constexpr std::size_t kLeastBytes = std::size_t{1} << 20;  // below, NCCL's kernels are done sooner
constexpr std::size_t kTryBytes = 4096;

std::string_view setting() {
  const char* const value = std::getenv("UNFOLD_COPY_ENGINES");
  return value == nullptr ? "" : value;
}

bool wished() {
  return setting() != "0";
}

// What one rank can't do none does.
bool on_all(Communicator& world, bool here) {
  std::array<std::int64_t, 1> count = {here ? 1 : 0};
  world.all_reduce_sum(std::span<std::int64_t>(count));
  return count[0] == world.world_size();
}

cudaStream_t native(const cuda::SideStream& stream) {
  return static_cast<cudaStream_t>(stream.native());
}

void copy(void* to, const void* from, std::size_t bytes, const cuda::SideStream& stream) {
  if (bytes == 0) return;
  cuda::check_status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, native(stream)),
                     "copying between GPUs");
}

}  // namespace

std::unique_ptr<PeerExchange> PeerExchange::make(Communicator& world, int device) {
  const int ranks = world.world_size();
  if (ranks < 2 || ranks > cuda::kMostParts ||
      !on_all(world, wished() && world.local_size() == ranks)) {
    return nullptr;
  }
  std::unique_ptr<PeerExchange> exchange(new PeerExchange(world.rank(), ranks, device));
  exchange->always_ = on_all(world, setting() == "always");
  const bool connected = exchange->connect(world);
  if (!connected) {
    exchange->close(world);
    exchange.reset();
  }
  if (world.is_root()) {
    log::info("gradients are exchanged by {}",
              connected ? "copy engines" : "NCCL's kernels: these GPUs can't share memory");
  }
  return exchange;
}

PeerExchange::PeerExchange(int rank, int world_size, int device)
    : rank_(rank),
      world_size_(world_size),
      order_(rank, world_size),
      memory_(device, rank, world_size,
              kPieceBytes / static_cast<std::size_t>(world_size) / kSlotUnit * kSlotUnit),
      push_(device),
      pull_(device) {}

bool PeerExchange::connect(Communicator& world) {
  return share_flags(world) && share_memory(world) && try_all(world);
}

bool PeerExchange::share_flags(Communicator& world) {
  const std::size_t count = order_.words().count();
  std::optional<SharedWords> words;
  if (world.is_root()) words = SharedWords::make(count);
  const std::string name = world.broadcast(words ? words->name() : std::string(), 0);
  if (!world.is_root() && !name.empty()) words = SharedWords::open(name, count);
  if (words) flags_ = PeerFlags::make(std::move(*words), push_.device());
  const bool shared = on_all(world, flags_ != nullptr);
  if (flags_) flags_->words().unlink();  // all have them, or nobody needs them
  return shared;
}

bool PeerExchange::share_memory(Communicator& world) {
  if (!on_all(world, memory_.allocate())) return false;
  std::string handles;  // of one length
  for (const std::string& handle : world.gather(memory_.handle())) handles += handle;
  handles = world.broadcast(handles, 0);
  const std::size_t length = handles.size() / static_cast<std::size_t>(world_size_);
  std::vector<std::string> each;
  for (std::size_t at = 0; at + length <= handles.size(); at += length) {
    each.push_back(handles.substr(at, length));
  }
  return on_all(world, memory_.open(each));
}

// A copy each way with every other rank, and every flag once: what is used is known to work.
bool PeerExchange::try_all(Communicator& world) {
  const int device = push_.device();
  const auto mark = [](int rank) { return static_cast<unsigned char>(rank + 1); };
  const std::uint32_t before_all = ~std::uint32_t{0};  // what flags hold then: the piece before 0
  cuda::use(device);
  bool works = cudaMemsetAsync(memory_.outbox(rank_, 0), mark(rank_), kTryBytes, native(push_)) ==
                   cudaSuccess &&
               cudaStreamSynchronize(native(push_)) == cudaSuccess;
  if (!on_all(world, works)) return false;
  const auto set_flag = [&](std::size_t word) {
    flags_->write(push_, {word, before_all});
    flags_->wait(push_, {word, before_all});
  };
  const PeerWords& words = order_.words();
  try {
    for (const int peer : peers()) {
      copy(memory_.inbox(peer, 0, rank_), memory_.outbox(rank_, 0), kTryBytes, push_);
      copy(memory_.inbox(rank_, 1, peer), memory_.outbox(peer, 0), kTryBytes, push_);
      set_flag(words.sent(rank_, peer));
      set_flag(words.pulled(rank_, peer));
    }
    set_flag(words.summed(rank_));
    push_.synchronize();
  } catch (const Error& error) {
    log::debug("{}", error.what());
    works = false;
  }
  if (!on_all(world, works)) {
    cudaGetLastError();  // what failed is not the next call's error
    return false;
  }
  for (const int peer : peers()) {
    for (const std::size_t set : {0, 1}) {
      std::array<unsigned char, kTryBytes> got = {};
      works = works && cudaMemcpy(got.data(), memory_.inbox(rank_, set, peer), kTryBytes,
                                  cudaMemcpyDefault) == cudaSuccess;
      for (const unsigned char byte : got) works = works && byte == mark(peer);
    }
    for (const std::size_t word :
         {words.sent(peer, rank_), words.pulled(peer, rank_), words.summed(peer)}) {
      works = works && flags_->words().word(word) == before_all;
    }
  }
  cudaGetLastError();
  return on_all(world, works);
}

void PeerExchange::close(Communicator& world) {
  push_.synchronize();
  pull_.synchronize();
  world.barrier();  // nobody copies any more
  memory_.close();
  world.barrier();  // and nobody has this rank's block open: it may be given back
}

std::vector<int> PeerExchange::peers() const {
  std::vector<int> ranks;
  for (int step = 1; step < world_size_; ++step) ranks.push_back((rank_ + step) % world_size_);
  return ranks;
}

bool PeerExchange::worth_it(const std::vector<Tensor>& tensors) const {
  std::size_t bytes = 0;
  for (const Tensor& tensor : tensors) {
    if (tensor.dtype() != tensors.front().dtype()) return false;
    bytes += tensor.bytes();
  }
  return bytes >= kLeastBytes || (always_ && bytes > 0);
}

std::vector<SharePiece> PeerExchange::pieces_of(const std::vector<Tensor>& tensors) const {
  std::vector<std::int64_t> sizes;
  for (const Tensor& tensor : tensors) sizes.push_back(tensor.size());
  const auto room =
      static_cast<std::int64_t>(memory_.slot_bytes() / size_of(tensors.front().dtype()));
  return share_pieces(sizes, world_size_, room / kStretchUnit * kStretchUnit);
}

void PeerExchange::push(const Task& task, const SharePiece& piece, const PeerPiece& turn) {
  for (const int peer : peers()) {
    for (const PeerFlag& flag : turn.before_push(peer)) flags_->wait(push_, flag);
    char* const inbox = memory_.inbox(peer, turn.set(), rank_);
    for (const Stretch& stretch : piece.stretches) {
      if (!task.gives) break;  // the flags are written all the same
      const Tensor& tensor = task.all[stretch.tensor];
      const Share part = stretch.in(tensor.size(), peer, world_size_);
      copy(inbox + bytes_of(tensor, stretch.at), at(tensor, part.begin),
           bytes_of(tensor, part.size()), push_);
    }
    flags_->write(push_, turn.after_push(peer));
  }
}

void PeerExchange::sum(const Task& task, const SharePiece& piece, const PeerPiece& turn,
                       cuda::SideStream& stream) {
  for (const PeerFlag& flag : turn.before_sum()) flags_->wait(stream, flag);
  std::vector<cuda::PartsSum> sums;
  for (const Stretch& stretch : piece.stretches) {
    const Tensor& tensor = task.all[stretch.tensor];
    const Share part = stretch.in(tensor.size(), rank_, world_size_);
    if (part.size() == 0) continue;
    cuda::PartsSum sum;
    sum.count = part.size();
    char* const own = at(tensor, part.begin);
    const std::size_t offset = bytes_of(tensor, stretch.at);
    for (int rank = 0; task.gives && rank < world_size_; ++rank) {
      sum.parts[rank] = rank == rank_ ? own : memory_.inbox(rank_, turn.set(), rank) + offset;
    }
    if (!task.gives) {
      sum.parts[0] = own;
      sum.out = memory_.outbox(rank_, turn.set()) + offset;
    } else if (task.mine != nullptr) {
      sum.out = at((*task.mine)[stretch.tensor], stretch.begin);
    } else {
      sum.out = own;
      sum.second = memory_.outbox(rank_, turn.set()) + offset;
    }
    sums.push_back(sum);
  }
  cuda::sum_parts(task.all.front().dtype(), task.gives ? world_size_ : 1, sums, stream.native());
  flags_->write(stream, turn.after_sum());
}

void PeerExchange::pull(const std::vector<Tensor>& all, const SharePiece& piece,
                        const PeerPiece& turn) {
  for (const int peer : peers()) {
    flags_->wait(pull_, turn.before_pull(peer));
    const char* const outbox = memory_.outbox(peer, turn.set());
    for (const Stretch& stretch : piece.stretches) {
      const Tensor& tensor = all[stretch.tensor];
      const Share part = stretch.in(tensor.size(), peer, world_size_);
      copy(at(tensor, part.begin), outbox + bytes_of(tensor, stretch.at),
           bytes_of(tensor, part.size()), pull_);
    }
    flags_->write(pull_, turn.after_pull(peer));
  }
}

std::shared_ptr<void> PeerExchange::exchange(const Task& task, void* ready,
                                             cuda::SideStream& stream) {
  const bool spreads = task.mine == nullptr;
  push_.wait_for(ready);
  stream.wait_for(ready);
  pull_.wait_for(ready);
  for (const SharePiece& piece : pieces_of(task.all)) {
    const PeerPiece turn = order_.next(spreads);
    push(task, piece, turn);
    sum(task, piece, turn, stream);
    if (spreads) pull(task.all, piece, turn);
  }
  // The pushes, too: this rank's sum says nothing about what it sent to others.
  pull_.wait_for(owned(push_.mark()).get());
  pull_.wait_for(owned(stream.mark()).get());
  done_ = owned(pull_.mark());
  return done_;
}

std::shared_ptr<void> PeerExchange::all_reduce_sum(const std::vector<Tensor>& tensors, void* ready,
                                                   cuda::SideStream& stream) {
  return exchange({tensors}, ready, stream);
}

std::shared_ptr<void> PeerExchange::reduce_scatter_sum(const std::vector<Tensor>& all,
                                                       const std::vector<Tensor>& mine, void* ready,
                                                       cuda::SideStream& stream) {
  return exchange({all, &mine}, ready, stream);
}

std::shared_ptr<void> PeerExchange::all_gather(const std::vector<Tensor>& tensors, void* ready,
                                               cuda::SideStream& stream) {
  return exchange({tensors, nullptr, false}, ready, stream);
}

void PeerExchange::join(cuda::SideStream& stream) {
  if (done_) stream.wait_for(done_.get());
}

}  // namespace unfold::core
