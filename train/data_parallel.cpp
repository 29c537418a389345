#include "train/data_parallel.h"

#include <algorithm>
#include <utility>

#include "core/kernels/elementwise.h"

namespace unfold::train {

using core::Tensor;

namespace {

constexpr std::size_t kMostBucketBytes = std::size_t{32} << 20;
constexpr std::size_t kBuckets = 16;  // of a model that is smaller than so many of the largest
// Buckets whose copies may be in memory at a time.
constexpr std::size_t kMostCopied = 4;

core::DType sent_dtype(core::DType gradient, core::DType wish) {
  return gradient == core::DType::float64 ? gradient : wish;
}

}  // namespace

DataParallel::DataParallel(AdamW& optimizer, core::Communicator& world, const TrainConfig& config)
    : optimizer_(optimizer), world_(world), reduce_dtype_(config.reduce_dtype) {
  std::vector<AdamW::State>& states = optimizer_.states();
  complete_.resize(states.size());
  const auto bytes_of = [&](const AdamW::State& state) {
    const auto& slot = state.parameter.slot();
    return static_cast<std::size_t>(core::element_count(slot->shape)) *
           core::size_of(sent_dtype(slot->dtype, reduce_dtype_));
  };
  std::size_t total = 0;
  for (const AdamW::State& state : states) total += bytes_of(state);
  const std::size_t limit = config.bucket_mib > 0
                                ? static_cast<std::size_t>(config.bucket_mib) << 20
                                : std::clamp<std::size_t>(total / kBuckets, 1, kMostBucketBytes);
  std::size_t bytes = limit;  // a new bucket at once
  for (std::size_t i = states.size(); i-- > 0;) {
    const auto& slot = states[i].parameter.slot();
    if (bytes >= limit) {
      buckets_.emplace_back();
      bytes = 0;
    }
    buckets_.back().push_back(i);
    bytes += bytes_of(states[i]);
    slot->on_ready = [this, i](const Tensor&) { complete(i); };
  }
}

DataParallel::~DataParallel() {
  for (AdamW::State& state : optimizer_.states()) state.parameter.slot()->on_ready = nullptr;
}

void DataParallel::begin() {
  std::fill(complete_.begin(), complete_.end(), false);
  next_ = 0;
  active_ = true;
}

void DataParallel::complete(std::size_t state) {
  world_.note_progress();
  if (!active_) return;
  complete_[state] = true;
  const auto is_complete = [this](std::size_t i) { return complete_[i]; };
  while (next_ < buckets_.size() &&
         std::all_of(buckets_[next_].begin(), buckets_[next_].end(), is_complete)) {
    world_.expect_work_beside(next_ + 1 < buckets_.size());
    start_bucket();
  }
}

void DataParallel::start_bucket() {
  Flight flight;
  flight.bucket = next_++;
  for (const std::size_t i : buckets_[flight.bucket]) {
    AdamW::State& state = optimizer_.states()[i];
    // Zeros where nothing came; and nobody else's memory, since sums are formed in place.
    Tensor& gradient = state.parameter.slot()->accumulator();
    flight.sent.push_back(gradient.to(sent_dtype(gradient.dtype(), reduce_dtype_)));
    if (!optimizer_.sharding().on) continue;
    const core::MemoryScope scope(core::MemoryUse::gradients);
    flight.mine.push_back(
        Tensor::empty({state.share.size()}, flight.sent.back().dtype(), gradient.device()));
  }
  flight.ticket = optimizer_.sharding().on
                      ? world_.start_reduce_scatter_sum(flight.sent, flight.mine)
                      : world_.start_all_reduce_sum(flight.sent);
  flights_.push_back(std::move(flight));
  const bool copied = optimizer_.sharding().on || reduce_dtype_ == core::DType::bfloat16;
  while (copied && flights_.size() > kMostCopied) land();
}

void DataParallel::land() {
  Flight flight = std::move(flights_.front());
  flights_.pop_front();
  world_.wait(flight.ticket);
  const std::vector<std::size_t>& bucket = buckets_[flight.bucket];
  for (std::size_t at = 0; at < bucket.size(); ++at) {
    AdamW::State& state = optimizer_.states()[bucket[at]];
    const auto& slot = state.parameter.slot();
    if (optimizer_.sharding().on) {
      const core::MemoryScope scope(core::MemoryUse::gradients);
      state.gradient = flight.mine[at].to(slot->dtype);
      slot->gradient = Tensor();
    } else if (!flight.sent[at].shares_storage_with(slot->gradient)) {
      core::kernels::copy(flight.sent[at], slot->gradient);
    }
  }
}

void DataParallel::finish() {
  if (!active_) begin();  // no pass of this rank was the last one: it had no rows
  world_.expect_work_beside(false);
  while (next_ < buckets_.size()) start_bucket();
  while (!flights_.empty()) land();
  active_ = false;
}

void DataParallel::step(double lr, double gradient_scale) {
  if (!optimizer_.sharding().on) return optimizer_.step(lr, gradient_scale);
  core::Communicator::Ticket last = 0;
  optimizer_.begin_step();
  for (const std::vector<std::size_t>& bucket : buckets_) {
    optimizer_.update(bucket, lr, gradient_scale);
    std::vector<Tensor> parameters;
    for (const std::size_t i : bucket) {
      parameters.push_back(optimizer_.states()[i].parameter.value());
    }
    last = world_.start_all_gather(parameters);
  }
  optimizer_.clear_gradients();
  world_.wait(last);
}

}  // namespace unfold::train
