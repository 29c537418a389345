#include "core/comm/mpi_communicator.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/comm/mpi_exchange.h"
#include "core/comm/mpi_runtime.h"
#include "core/cuda/runtime.h"
#include "core/error.h"

namespace unfold::core {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;  // a message: MPI counts in int
constexpr int kTag = 2;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

double positive_number(const char* name, double otherwise) {
  const std::string text = environment(name);
  if (text.empty()) return otherwise;
  const double value = std::strtod(text.c_str(), nullptr);
  require(value >= 2, "ranks", "{}={}: give seconds, 2 or more", name, text);
  return value;
}

}  // namespace

struct MpiCommunicator::Mpi {
  mpi::Runtime runtime;
  MPI_Comm values = MPI_COMM_NULL;               // the main thread's
  std::unique_ptr<mpi::TensorExchange> tensors;  // the queue's
};

namespace {

// Messages on a copy of the communicator.
class MpiChannel : public Channel {
 public:
  MpiChannel(mpi::Runtime& runtime, MPI_Comm comm, std::function<void()> stopped)
      : runtime_(runtime), comm_(comm), stopped_(std::move(stopped)) {}

  void send(int to, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min<std::size_t>(bytes.size(), kMostBytes));
      MPI_Request request = MPI_REQUEST_NULL;
      runtime_.call("sending", [&] {
        return MPI_Isend(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, to, kTag, comm_,
                         &request);
      });
      runtime_.wait({&request, 1}, "sending", stopped_);
      bytes = bytes.subspan(piece.size());
    }
  }
  void receive(int from, std::span<std::byte> bytes) override {
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min<std::size_t>(bytes.size(), kMostBytes));
      MPI_Request request = MPI_REQUEST_NULL;
      runtime_.call("receiving", [&] {
        return MPI_Irecv(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, from, kTag, comm_,
                         &request);
      });
      runtime_.wait({&request, 1}, "receiving", stopped_);
      bytes = bytes.subspan(piece.size());
    }
  }

 private:
  mpi::Runtime& runtime_;
  MPI_Comm comm_;
  std::function<void()> stopped_;
};

}  // namespace

MpiCommunicator::MpiCommunicator(const Launch& launch) : mpi_(std::make_unique<Mpi>()) {
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &world_size_);
  require(world_size_ == launch.world_size, "mpi",
          "{} started {} processes, but {} sees {}: the launcher belongs to another MPI: use the "
          "mpirun of the MPI that this program was built with (with srun: --mpi=pmix)",
          launch.launcher, launch.world_size, mpi::Runtime::version(), world_size_);
  mpi_->values = mpi::duplicate(mpi_->runtime, MPI_COMM_WORLD);
  mpi_->tensors = std::make_unique<mpi::TensorExchange>(
      mpi_->runtime, mpi::duplicate(mpi_->runtime, MPI_COMM_WORLD), rank_, world_size_,
      [this] { check(); });
  MPI_Comm local = MPI_COMM_NULL;
  mpi_->runtime.call("finding the ranks of this host", [&] {
    return MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &local);
  });
  MPI_Comm_rank(local, &local_rank_);
  MPI_Comm_size(local, &local_size_);
  double first_here = local_rank_ == 0 ? 1 : 0;
  all_reduce_sum(std::span<double>(&first_here, 1));
  hosts_ = static_cast<int>(first_here);
  if (world_size_ > 1 && environment("UNFOLD_COMM_WATCH") != "0") {
    MonitorOptions options;
    options.rank = rank_;
    options.world_size = world_size_;
    options.name = fmt::format("{}, process {}", host_name(), ::getpid());
    options.patience = positive_number("UNFOLD_COMM_TIMEOUT", options.patience);
    options.silence = options.patience / 2;
    options.beat = std::min(options.beat, options.silence / 5);
    options.interfaces = environment("UNFOLD_COMM_INTERFACE");
    auto monitor = std::make_unique<Monitor>(options);
    const std::string invitation = broadcast(is_root() ? monitor->invitation() : "", 0);
    monitor->start(invitation);
    monitor_ = std::move(monitor);
  }
  queue_ = std::make_unique<WorkQueue>();
}

MpiCommunicator::~MpiCommunicator() {
  // The thread may wait for ranks that are gone: it looks at the watch, which is still there.
  queue_.reset();
}

std::string MpiCommunicator::describe() const {
  return fmt::format("{} rank{} on {} host{}: {}", world_size_, world_size_ == 1 ? "" : "s", hosts_,
                     hosts_ == 1 ? "" : "s", mpi::Runtime::version());
}

void MpiCommunicator::begin_collective() {
  if (!monitor_) return;
  monitor_->begin_collective();
  monitor_->move();
}

void MpiCommunicator::watch_health(std::function<std::string()> health) {
  if (monitor_) monitor_->set_health(std::move(health));
}

void MpiCommunicator::note_progress() {
  if (monitor_) monitor_->move();
}
void MpiCommunicator::set_busy(const char* what) {
  if (monitor_) monitor_->set_busy(what);
}
void MpiCommunicator::set_waiting(bool waiting) {
  if (monitor_) monitor_->set_waiting(waiting);
}

void MpiCommunicator::check() {
  if (!monitor_ || !monitor_->stopped()) return;
  const Monitor::End end = monitor_->end();
  throw RankLost(end.why, end.code);
}

void MpiCommunicator::fail(std::string_view why, int exit_code) {
  if (!monitor_) return;
  const Monitor::End end = monitor_->fail(std::string(why), exit_code);
  if (end.said) throw RankLost(end.why, end.code);
}

void MpiCommunicator::finish() {
  barrier();
  finished_ = true;
  queue_.reset();
  if (monitor_) monitor_->goodbye();
  mpi_->runtime.finalize();
}

void MpiCommunicator::all_reduce_sum(std::span<double> values) {
  begin_collective();
  const Waiting scope(*this);
  const std::size_t count = values.size();
  std::vector<double> all(count * static_cast<std::size_t>(world_size_));
  MPI_Request request = MPI_REQUEST_NULL;
  mpi_->runtime.call("summing", [&] {
    return MPI_Iallgather(values.data(), static_cast<int>(count), MPI_DOUBLE, all.data(),
                          static_cast<int>(count), MPI_DOUBLE, mpi_->values, &request);
  });
  mpi_->runtime.wait({&request, 1}, "summing", [this] { check(); });
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = all[i];
    for (std::size_t at = i + count; at < all.size(); at += count) values[i] += all[at];
  }
}

void MpiCommunicator::all_reduce_sum(std::span<std::int64_t> values) {
  begin_collective();
  const Waiting scope(*this);
  MPI_Request request = MPI_REQUEST_NULL;
  mpi_->runtime.call("summing", [&] {
    return MPI_Iallreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_INT64_T,
                          MPI_SUM, mpi_->values, &request);
  });
  mpi_->runtime.wait({&request, 1}, "summing", [this] { check(); });
}

void MpiCommunicator::all_reduce_max(std::span<double> values) {
  begin_collective();
  const Waiting scope(*this);
  MPI_Request request = MPI_REQUEST_NULL;
  mpi_->runtime.call("comparing", [&] {
    return MPI_Iallreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE,
                          MPI_MAX, mpi_->values, &request);
  });
  mpi_->runtime.wait({&request, 1}, "comparing", [this] { check(); });
}

void MpiCommunicator::broadcast(std::span<std::byte> bytes, int root) {
  begin_collective();
  const Waiting scope(*this);
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min<std::size_t>(bytes.size(), kMostBytes));
    MPI_Request request = MPI_REQUEST_NULL;
    mpi_->runtime.call("broadcasting", [&] {
      return MPI_Ibcast(piece.data(), static_cast<int>(piece.size()), MPI_BYTE, root, mpi_->values,
                        &request);
    });
    mpi_->runtime.wait({&request, 1}, "broadcasting", [this] { check(); });
    bytes = bytes.subspan(piece.size());
  }
}

std::string MpiCommunicator::broadcast(std::string_view text, int root) {
  std::uint64_t size = text.size();
  broadcast(std::as_writable_bytes(std::span(&size, 1)), root);
  std::string result(rank_ == root ? text : std::string_view());
  result.resize(size);
  broadcast(std::as_writable_bytes(std::span(result)), root);
  return result;
}

std::vector<std::string> MpiCommunicator::gather(std::string_view bytes) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(world_size_));
  sizes[static_cast<std::size_t>(rank_)] = static_cast<std::int64_t>(bytes.size());
  all_reduce_sum(std::span<std::int64_t>(sizes));
  const Waiting scope(*this);
  MpiChannel channel(mpi_->runtime, mpi_->values, [this] { check(); });
  if (!is_root()) {
    channel.send(0, std::as_bytes(std::span(bytes)));
    return {};
  }
  std::vector<std::string> all;
  for (int rank = 0; rank < world_size_; ++rank) {
    std::string text(rank == 0 ? bytes : std::string_view());
    text.resize(static_cast<std::size_t>(sizes[static_cast<std::size_t>(rank)]));
    if (rank > 0) channel.receive(rank, std::as_writable_bytes(std::span(text)));
    all.push_back(std::move(text));
  }
  return all;
}

void MpiCommunicator::barrier() {
  begin_collective();
  const Waiting scope(*this);
  MPI_Request request = MPI_REQUEST_NULL;
  mpi_->runtime.call("waiting for all ranks", [&] { return MPI_Ibarrier(mpi_->values, &request); });
  mpi_->runtime.wait({&request, 1}, "waiting for all ranks", [this] { check(); });
}

Communicator::Ticket MpiCommunicator::start(const std::vector<Tensor>& tensors, Work work) {
  begin_collective();
  if (tensors.empty()) return queue_->give([] {});
  const Device device = tensors.front().device();
  const bool on_gpu = device.type == DeviceType::cuda;
  std::shared_ptr<void> mark(on_gpu ? cuda::mark(device.index) : nullptr, cuda::release_mark);
  return queue_->give([this, mark, work = std::move(work)] { work(*mpi_->tensors, mark.get()); });
}

Communicator::Ticket MpiCommunicator::start_all_reduce_sum(const std::vector<Tensor>& tensors) {
  return start(tensors, [tensors](mpi::TensorExchange& exchange, void* mark) {
    for (const Tensor& tensor : tensors) exchange.all_reduce_sum(tensor, mark);
  });
}

Communicator::Ticket MpiCommunicator::start_reduce_scatter_sum(const std::vector<Tensor>& all,
                                                               const std::vector<Tensor>& mine) {
  return start(all, [all, mine](mpi::TensorExchange& exchange, void* mark) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      exchange.reduce_scatter_sum(all[i], mine[i], mark);
    }
  });
}

Communicator::Ticket MpiCommunicator::start_all_gather(const std::vector<Tensor>& tensors) {
  return start(tensors, [tensors](mpi::TensorExchange& exchange, void* mark) {
    for (const Tensor& tensor : tensors) exchange.all_gather(tensor, mark);
  });
}

void MpiCommunicator::wait(Ticket ticket) {
  const Waiting scope(*this);
  const auto begin = std::chrono::steady_clock::now();
  queue_->wait(ticket);
  exposed_ += seconds_since(begin);
}

OverlapTimes MpiCommunicator::take_times() {
  return {queue_->take_seconds(), std::exchange(exposed_, 0)};
}

std::unique_ptr<Channel> MpiCommunicator::open_channel() {
  return std::make_unique<MpiChannel>(mpi_->runtime, mpi::duplicate(mpi_->runtime, MPI_COMM_WORLD),
                                      [this] { check(); });
}

}  // namespace unfold::core
