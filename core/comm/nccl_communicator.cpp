#include "core/comm/nccl_communicator.h"

#include <cuda_runtime_api.h>
#include <nccl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/comm/gpu_parts.h"
#include "core/comm/nccl_status.h"
#include "core/comm/peer_exchange.h"
#include "core/comm/world.h"
#include "core/cuda/runtime.h"
#include "core/error.h"
#include "core/log.h"

namespace unfold::core {
namespace {

// More times of collectives than these are not kept as marks of the GPU.
constexpr std::size_t kMostStretches = 512;

ncclDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return ncclDouble;
    case DType::float32:
      return ncclFloat;
    case DType::bfloat16:
      return ncclBfloat16;
    default:
      break;
  }
  throw InternalError("nccl", fmt::format("no sums of {}", name_of(dtype)));
}

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// Environment that changes what NCCL does, for people.
void tell_environment() {
  std::string set;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, "NCCL_", 5) == 0) set += std::string(set.empty() ? "" : ", ") + *entry;
  }
  if (!set.empty()) log::info("NCCL is told: {}", set);
}

}  // namespace

struct NcclCommunicator::Nccl {
  ncclComm_t comm = nullptr;
  std::unique_ptr<PeerExchange> peers;  // null: not on this machine, or not wished
};

NcclCommunicator::NcclCommunicator(const Launch& launch, Device device, bool must)
    : MpiCommunicator(launch), device_(device) {
  std::vector<std::string> gpus =
      gather(fmt::format("{} {}", host_name(), cuda::device_address(device.index)));
  std::sort(gpus.begin(), gpus.end());
  const auto twice = std::adjacent_find(gpus.begin(), gpus.end());
  const std::string shared = broadcast(twice == gpus.end() ? "" : *twice, 0);
  if (!shared.empty()) {
    require(!must, "nccl",
            "UNFOLD_COMM=nccl, but several ranks share the GPU {}: start one rank a "
            "GPU, or leave UNFOLD_COMM out",
            shared);
    return;
  }
  ncclUniqueId id = {};
  if (is_root()) check_nccl(ncclGetUniqueId(&id), "starting NCCL");
  broadcast(std::as_writable_bytes(std::span(&id, 1)), 0);
  stream_ = std::make_unique<cuda::SideStream>(device.index);
  nccl_ = std::make_unique<Nccl>();
  if (is_root()) tell_environment();
  const Waiting waiting(*this);
  check_nccl(ncclCommInitRank(&nccl_->comm, world_size(), id, rank()), "connecting the GPUs");
  nccl_->peers = PeerExchange::make(*this, device_.index);
  watch_health([comm = nccl_->comm]() -> std::string {
    ncclResult_t status = ncclSuccess;
    ncclCommGetAsyncError(comm, &status);
    if (status == ncclSuccess || status == ncclInProgress) return "";
    return fmt::format("NCCL reports: {}", ncclGetErrorString(status));
  });
}

NcclCommunicator::~NcclCommunicator() {
  // A run that did not end well leaves NCCL as it is: the process ends, and what NCCL waits for may
  // never come.
  watch_health({});
  if (finished()) return;
  static_cast<void>(stream_.release());
  if (nccl_) static_cast<void>(nccl_->peers.release());
}

std::string NcclCommunicator::describe() const {
  if (!nccl_)
    return MpiCommunicator::describe() + "; ranks share a GPU: tensors go through the host";
  return fmt::format("{}, NCCL {} for tensors", MpiCommunicator::describe(), nccl_version());
}

bool NcclCommunicator::takes(const std::vector<Tensor>& tensors) const {
  return nccl_ && !tensors.empty() && tensors.front().device() == device_;
}

bool NcclCommunicator::by_copies(const std::vector<Tensor>& tensors) const {
  return work_beside_ && nccl_->peers && nccl_->peers->worth_it(tensors);
}

// Links between GPUs of one host, which the copy engines fill.
bool NcclCommunicator::likes_bursts() const {
  return nccl_ && nccl_->peers;
}

// launch(ready) gives the stream its work, for tensors complete behind the mark `ready`, and
// returns the mark behind which it is done.
template <typename Launch>
Communicator::Ticket NcclCommunicator::start(Launch&& launch) {
  begin_collective();
  const std::shared_ptr<void> ready = owned(cuda::mark(device_.index));
  stream_->wait_for(ready.get());
  Started started;
  started.ticket = --last_;
  if (timing_) started.begin = owned(stream_->mark());
  started.end = launch(ready.get());
  started_.push_back(started);
  return started.ticket;
}

// The same by NCCL's kernels: launch(stream) gives them their work, as one group.
template <typename Launch>
Communicator::Ticket NcclCommunicator::start_group(Launch&& launch) {
  return start([&](void*) {
    if (nccl_->peers) nccl_->peers->join(*stream_);
    check_nccl(ncclGroupStart(), "starting a group");
    launch(static_cast<cudaStream_t>(stream_->native()));
    check_nccl(ncclGroupEnd(), "exchanging tensors");
    return owned(stream_->mark());
  });
}

Communicator::Ticket NcclCommunicator::start_all_reduce_sum(const std::vector<Tensor>& tensors) {
  if (!takes(tensors)) return MpiCommunicator::start_all_reduce_sum(tensors);
  if (by_copies(tensors)) {
    return start(
        [&](void* ready) { return nccl_->peers->all_reduce_sum(tensors, ready, *stream_); });
  }
  return start_group([&](cudaStream_t stream) {
    for (const Tensor& tensor : tensors) {
      check_nccl(ncclAllReduce(tensor.raw(), tensor.raw(), static_cast<std::size_t>(tensor.size()),
                               type_of(tensor.dtype()), ncclSum, nccl_->comm, stream),
                 "summing");
    }
  });
}

// Shares are equal but for the last rank's, which ends with what is left over.
Communicator::Ticket NcclCommunicator::start_reduce_scatter_sum(const std::vector<Tensor>& all,
                                                                const std::vector<Tensor>& mine) {
  if (!takes(all)) return MpiCommunicator::start_reduce_scatter_sum(all, mine);
  if (by_copies(all)) {
    return start(
        [&](void* ready) { return nccl_->peers->reduce_scatter_sum(all, mine, ready, *stream_); });
  }
  return start_group([&](cudaStream_t stream) {
    const int last = world_size() - 1;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::int64_t part = equal_part(all[i].size(), world_size());
      const std::int64_t head = part * world_size();
      const std::int64_t rest = all[i].size() - head;
      const ncclDataType_t type = type_of(all[i].dtype());
      if (part > 0) {
        check_nccl(ncclReduceScatter(all[i].raw(), mine[i].raw(), static_cast<std::size_t>(part),
                                     type, ncclSum, nccl_->comm, stream),
                   "summing");
      }
      if (rest > 0) {
        void* const to = rank() == last ? at(mine[i], part) : at(all[i], head);
        check_nccl(ncclReduce(at(all[i], head), to, static_cast<std::size_t>(rest), type, ncclSum,
                              last, nccl_->comm, stream),
                   "summing");
      }
    }
  });
}

Communicator::Ticket NcclCommunicator::start_all_gather(const std::vector<Tensor>& tensors) {
  if (!takes(tensors)) return MpiCommunicator::start_all_gather(tensors);
  if (by_copies(tensors)) {
    return start([&](void* ready) { return nccl_->peers->all_gather(tensors, ready, *stream_); });
  }
  return start_group([&](cudaStream_t stream) {
    for (const Tensor& tensor : tensors) {
      const std::int64_t part = equal_part(tensor.size(), world_size());
      const std::int64_t head = part * world_size();
      const std::int64_t rest = tensor.size() - head;
      if (part > 0) {
        check_nccl(ncclAllGather(at(tensor, part * rank()), tensor.raw(), bytes_of(tensor, part),
                                 ncclInt8, nccl_->comm, stream),
                   "spreading values");
      }
      if (rest > 0) {
        check_nccl(ncclBroadcast(at(tensor, head), at(tensor, head), bytes_of(tensor, rest),
                                 ncclInt8, world_size() - 1, nccl_->comm, stream),
                   "spreading values");
      }
    }
  });
}

void NcclCommunicator::wait(Ticket ticket) {
  if (ticket >= 0) return MpiCommunicator::wait(ticket);
  std::shared_ptr<void> end;
  while (!started_.empty() && started_.front().ticket >= ticket) {
    Started& first = started_.front();
    if (first.begin) ran_.push_back({first.begin, first.end});
    end = first.end;
    started_.pop_front();
  }
  if (!end) return;  // waited for already
  const std::shared_ptr<void> before = timing_ ? owned(cuda::mark(device_.index)) : nullptr;
  cuda::wait_for_mark(device_.index, end.get());
  if (!timing_) return;
  waited_.push_back({before, owned(cuda::mark(device_.index))});
  if (waited_.size() >= kMostStretches) add_times(false);
}

// all: waits for the device.
void NcclCommunicator::add_times(bool all) {
  const auto seconds = [&](const std::shared_ptr<void>& begin, const std::shared_ptr<void>& end) {
    return cuda::seconds_between(device_.index, begin.get(), end.get());
  };
  const auto is_due = [&](const std::deque<Stretch>& stretches) {
    return !stretches.empty() &&
           (all || cuda::has_passed(device_.index, stretches.front().end.get()));
  };
  for (; is_due(ran_); ran_.pop_front()) {
    const Stretch& one = ran_.front();
    times_.seconds += seconds(one.begin, one.end);
    // A collective may begin before the one in front of it is done.
    if (last_end_) times_.seconds -= std::max(0.0, seconds(one.begin, last_end_));
    last_end_ = one.end;
  }
  for (; is_due(waited_); waited_.pop_front()) {
    times_.exposed += seconds(waited_.front().begin, waited_.front().end);
  }
}

OverlapTimes NcclCommunicator::take_times() {
  if (!nccl_) return MpiCommunicator::take_times();
  timing_ = true;
  add_times(true);
  last_end_.reset();
  return std::exchange(times_, {});
}

void NcclCommunicator::finish() {
  if (nccl_) {
    const Waiting waiting(*this);
    stream_->synchronize();
    watch_health({});
    if (nccl_->peers) nccl_->peers->close(*this);
    nccl_->peers.reset();
    check_nccl(ncclCommDestroy(nccl_->comm), "closing NCCL");
    nccl_.reset();
    stream_.reset();
  }
  MpiCommunicator::finish();
}

std::string nccl_version() {
  int version = 0;
  if (ncclGetVersion(&version) != ncclSuccess) return "unknown version";
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::unique_ptr<Communicator> make_nccl_world(const Launch& launch, const std::string& device) {
  const char* const wish = std::getenv("UNFOLD_COMM");
  const bool must = wish != nullptr && std::string_view(wish) == "nccl";
  return std::make_unique<NcclCommunicator>(
      launch, usable_device(device_of_rank(device, launch.local_rank)), must);
}

}  // namespace unfold::core
