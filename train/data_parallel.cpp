#include "train/data_parallel.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/kernels/elementwise.h"
#include "train/burst.h"
#include "train/step_windows.h"

namespace unfold::train {

using core::Tensor;

namespace {

constexpr std::size_t kMostBucketBytes = std::size_t{32} << 20;
constexpr std::size_t kBuckets = 16;  // of a model that is smaller than so many of the largest
// Buckets whose copies may be in memory at a time.
constexpr std::size_t kMostCopied = 4;
// Buckets that are spread before all parameters are updated: the embedding, and, where matrices and
// norms are in buckets of their own, those of the first block.
constexpr std::size_t kFirstSpread = 3;

core::DType sent_dtype(core::DType gradient, core::DType wish) {
  return gradient == core::DType::float32 ? wish : gradient;
}

// Of a pass, on one rank.
std::int64_t positions_of(const TrainConfig& config, const core::Communicator& world) {
  return config.row_length * largest_pass(config.rows, config.micro_rows, world.world_size());
}

}  // namespace

DataParallel::DataParallel(AdamW& optimizer, core::Communicator& world, const TrainConfig& config)
    : optimizer_(optimizer),
      world_(world),
      reduce_dtype_(config.reduce_dtype),
      overlap_(config.overlap) {
  std::vector<AdamW::State>& states = optimizer_.states();
  complete_.resize(states.size());
  find_table(config);
  const auto dtype_of = [&](std::size_t i) {
    return sent_dtype(states[i].parameter.slot()->dtype, reduce_dtype_);
  };
  const auto bytes_of = [&](std::size_t i) {
    return static_cast<std::size_t>(states[i].parameter.value().size()) *
           core::size_of(dtype_of(i));
  };
  std::size_t total = 0;
  for (std::size_t i = 0; i < states.size(); ++i) total += bytes_of(i);
  const std::size_t limit = config.bucket_mib > 0
                                ? static_cast<std::size_t>(config.bucket_mib) << 20
                                : std::clamp<std::size_t>(total / kBuckets, 1, kMostBucketBytes);
  std::vector<std::size_t> order;
  if (table_) order.push_back(table_->state);
  for (std::size_t i = states.size(); i-- > 0;) {
    if (!table_ || i != table_->state) order.push_back(i);
  }
  // A bucket is of one dtype: where matrices have another than the norms and biases between them,
  // these come last, all together.
  const auto is_alike = [&](std::size_t i) { return dtype_of(i) == dtype_of(order.front()); };
  if (!std::all_of(order.begin(), order.end(), is_alike)) {
    std::stable_partition(order.begin(), order.end(),
                          [&](std::size_t i) { return states[i].parameter.value().rank() > 1; });
  }
  std::size_t bytes = 0;
  for (const std::size_t i : order) {
    if (buckets_.empty() || bytes >= limit || dtype_of(i) != dtype_of(buckets_.back().front())) {
      buckets_.emplace_back();
      bytes = 0;
    }
    buckets_.back().push_back(i);
    bytes += bytes_of(i);
    states[i].parameter.slot()->on_ready = [this, i](const Tensor&) { complete(i); };
  }
  halve_last(bytes_of);
  if (world_.likes_bursts()) hold_back(positions_of(config, world_), bytes_of);
  if (optimizer_.sharding().on) plan_gathers();
}

DataParallel::~DataParallel() {
  for (AdamW::State& state : optimizer_.states()) {
    state.parameter.slot()->on_ready = nullptr;
    state.parameter.slot()->on_rows = nullptr;
  }
}

void DataParallel::find_table(const TrainConfig& config) {
  if (!config.overlap) return;
  const std::vector<AdamW::State>& states = optimizer_.states();
  const std::int64_t positions = positions_of(config, world_);
  for (std::size_t i = 0; i < states.size(); ++i) {
    const Tensor& value = states[i].parameter.value();
    const core::DType sent = sent_dtype(states[i].parameter.slot()->dtype, reduce_dtype_);
    if (states[i].name == "embedding.weight" &&
        LookupRows::worth_it(value, sent, positions, world_.world_size(),
                             optimizer_.sharding().on)) {
      table_.emplace(Table{i, LookupRows(world_, value), {}, 0});
    }
  }
}

// Nothing is computed beside the sum of what is complete last: of matrices, which are large, half a
// bucket is enough.
void DataParallel::halve_last(const std::function<std::size_t(std::size_t)>& bytes_of) {
  const auto has_matrix = [&](const std::vector<std::size_t>& bucket) {
    return std::any_of(bucket.begin(), bucket.end(), [&](std::size_t i) {
      return optimizer_.states()[i].parameter.value().rank() > 1;
    });
  };
  const auto last = std::find_if(buckets_.rbegin(), buckets_.rend(), has_matrix);
  if (last == buckets_.rend()) return;
  std::size_t all = 0;
  for (const std::size_t i : *last) all += bytes_of(i);
  std::size_t bytes = 0;
  auto begin = last->end();
  while (begin != last->begin() && 2 * (bytes + bytes_of(*(begin - 1))) <= all) {
    bytes += bytes_of(*--begin);
  }
  if (begin == last->end()) return;  // one that is larger than all others
  const std::vector<std::size_t> half(begin, last->end());
  last->erase(begin, last->end());
  buckets_.insert(last.base(), half);
}

// What is copied to be sent is sent at once: it would be in memory longer.
void DataParallel::hold_back(std::int64_t positions,
                             const std::function<std::size_t(std::size_t)>& bytes_of) {
  if (sends_copies()) return;
  std::vector<BucketWork> work;
  for (const std::vector<std::size_t>& bucket : buckets_) {
    BucketWork& all = work.emplace_back();
    for (const std::size_t i : bucket) {
      const AdamW::State& state = optimizer_.states()[i];
      const Tensor& value = state.parameter.value();
      all.bytes += bytes_of(i);
      // An embedding is looked up; a tied head is complete before all others.
      if (value.rank() > 1 && state.name != "embedding.weight") all.weights += value.size();
    }
  }
  held_ = held_back(work, positions, world_.world_size());
}

bool DataParallel::sends_copies() const {
  return optimizer_.sharding().on || reduce_dtype_ == core::DType::bfloat16;
}

// States are in the order in which a forward pass reads them.
void DataParallel::plan_gathers() {
  const auto first_of = [&](std::size_t bucket) {
    return *std::min_element(buckets_[bucket].begin(), buckets_[bucket].end());
  };
  gather_order_.resize(buckets_.size());
  std::iota(gather_order_.begin(), gather_order_.end(), std::size_t{0});
  std::sort(gather_order_.begin(), gather_order_.end(),
            [&](std::size_t a, std::size_t b) { return first_of(a) < first_of(b); });
  for (std::size_t place = 0; place < gather_order_.size(); ++place) {
    if (place == 0 || place == kFirstSpread) parts_.emplace_back();
    for (const std::size_t i : buckets_[gather_order_[place]]) {
      gather_place_[optimizer_.states()[i].parameter.slot().get()] = place;
      parts_.back().push_back(i);
    }
  }
  gathered_ = gather_order_.size();  // parameters are whole before the first step
}

void DataParallel::begin() {
  settle();  // on a rank without a forward pass, too: all ranks start collectives in one order
  std::fill(complete_.begin(), complete_.end(), false);
  ready_ = next_ = 0;
  active_ = true;
  if (!table_) return;
  optimizer_.states()[table_->state].parameter.slot()->on_rows =
      [this](const Tensor& ids, const Tensor& dy) { table_->rows.take(ids, dy); };
}

void DataParallel::complete(std::size_t state) {
  world_.note_progress();
  if (!active_) return;
  complete_[state] = true;
  const auto is_complete = [this](std::size_t i) { return complete_[i]; };
  while (ready_ < buckets_.size() &&
         std::all_of(buckets_[ready_].begin(), buckets_[ready_].end(), is_complete)) {
    ++ready_;
  }
  while (ready_ >= held_ && next_ < ready_) start_next();
}

void DataParallel::start_next() {
  world_.expect_work_beside(overlap_ && next_ + 1 < buckets_.size());
  start_bucket();
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
    flight.mine.push_back(empty_share(i, flight.sent.back().dtype()));
  }
  flight.ticket = optimizer_.sharding().on
                      ? world_.start_reduce_scatter_sum(flight.sent, flight.mine)
                      : world_.start_all_reduce_sum(flight.sent);
  flights_.push_back(std::move(flight));
  while (sends_copies() && flights_.size() > kMostCopied) land();
}

Tensor DataParallel::empty_share(std::size_t index, core::DType dtype) {
  const core::MemoryScope scope(core::MemoryUse::gradients);
  const AdamW::State& state = optimizer_.states()[index];
  const core::Device device = state.parameter.value().device();
  const core::Share share = state.share;
  if (!table_ || table_->state != index) return Tensor::empty({share.size()}, dtype, device);
  const std::int64_t width = state.parameter.value().dim(1);
  table_->first = share.begin / width;
  const std::int64_t end = (share.end + width - 1) / width;
  table_->gradient = Tensor::empty({end - table_->first, width}, dtype, device);
  // What the first and the last row have of other ranks' shares holds nothing, and nobody reads it.
  const std::int64_t before = table_->first * width;
  return table_->gradient.reshape({-1}).slice(0, share.begin - before, share.end - before);
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
      state.gradient = flight.mine[at];
      if (state.gradient.dtype() != slot->dtype) {
        state.gradient = empty_share(bucket[at], slot->dtype);
        core::kernels::copy(flight.mine[at], state.gradient);
      }
      slot->gradient = Tensor();
    } else if (!flight.sent[at].shares_storage_with(slot->gradient)) {
      core::kernels::copy(flight.sent[at], slot->gradient);
    }
  }
}

void DataParallel::finish() {
  if (!active_) begin();  // no pass of this rank was the last one: it had no rows
  while (next_ < buckets_.size()) start_next();
  world_.expect_work_beside(false);
  if (table_) table_->rows.start();
  while (!flights_.empty()) land();
  if (table_) {
    const auto& slot = optimizer_.states()[table_->state].parameter.slot();
    table_->rows.add_to(optimizer_.sharding().on ? table_->gradient : slot->gradient,
                        table_->first);
    table_->gradient = Tensor();
    slot->on_rows = nullptr;
  }
  active_ = false;
}

void DataParallel::prepare(double lr) {
  optimizer_.sharding().on ? optimizer_.prepare(lr, parts_) : optimizer_.prepare(lr);
}

void DataParallel::step(double gradient_scale) {
  if (!optimizer_.sharding().on) return optimizer_.step(gradient_scale);
  gathers_.clear();
  gathered_ = 0;
  optimizer_.update(0, gradient_scale);
  while (gathers_.size() < std::min(kFirstSpread, gather_order_.size())) start_gather();
  if (parts_.size() > 1) optimizer_.update(1, gradient_scale);
  optimizer_.end_step();
}

void DataParallel::start_gather() {
  std::vector<Tensor> parameters;
  for (const std::size_t i : buckets_[gather_order_[gathers_.size()]]) {
    parameters.push_back(optimizer_.states()[i].parameter.value());
  }
  world_.expect_work_beside(true);
  gathers_.push_back(world_.start_all_gather(parameters));
}

// Starting one takes the host a while, and the device would wait for the host: so one bucket ahead
// of the one that is needed is started, and no more.
void DataParallel::await_gather(std::size_t place) {
  if (place < gathered_) return;
  while (gathers_.size() < std::min(place + 2, gather_order_.size())) start_gather();
  world_.wait(gathers_[place]);
  gathered_ = place + 1;
}

void DataParallel::await(const std::vector<autograd::Variable>& parameters) {
  world_.note_progress();
  if (gathered_ == gather_order_.size()) return;
  std::size_t last = 0;
  for (const autograd::Variable& parameter : parameters) {
    last = std::max(last, gather_place_.at(parameter.slot().get()));
  }
  await_gather(last);
}

void DataParallel::settle() {
  if (!gather_order_.empty()) await_gather(gather_order_.size() - 1);
}

}  // namespace unfold::train
