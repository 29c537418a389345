#include "data/loader.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "core/error.h"
#include "data/row_cursor.h"
#include "data/shard_rows.h"

namespace unfold::data {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kTag = "loader";

struct Window {
  std::int64_t total, first, count;
  bool operator==(const Window&) const = default;
};

struct Prepared {
  Batch batch;
  LoaderState after;
  std::exception_ptr error;
};

Prepared prepare(RowCursor& cursor, const Window& window) {
  Prepared prepared;
  try {
    BatchBuilder builder(cursor.format());
    for (std::int64_t row = 0; row < window.total; ++row) {
      const bool mine = row >= window.first && row < window.first + window.count;
      cursor.advance(mine ? &builder : nullptr);
    }
    if (window.count > 0) prepared.batch = std::move(builder).build();
    prepared.after = cursor.state();
  } catch (...) {
    prepared.error = std::current_exception();
  }
  return prepared;
}

// A thread that keeps a bounded queue of batches filled. It ends when destroyed, or behind an
// error, which is the last thing in its queue. While it lives the cursor belongs to it.
class Prefetcher {
 public:
  Prefetcher(RowCursor& cursor, const Window& window, std::int64_t depth)
      : window_(window),
        depth_(static_cast<std::size_t>(depth)),
        thread_([this, &cursor] { run(cursor); }) {}
  ~Prefetcher() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  const Window& window() const { return window_; }

  Prepared take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !queue_.empty(); });
    Prepared prepared = std::move(queue_.front());
    queue_.pop_front();
    changed_.notify_all();
    return prepared;
  }

 private:
  void run(RowCursor& cursor) {
    for (bool failed = false; !failed;) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopping_ || queue_.size() < depth_; });
        if (stopping_) return;
      }
      Prepared prepared = prepare(cursor, window_);
      failed = prepared.error != nullptr;
      {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(prepared));
      }
      changed_.notify_all();
    }
  }

  Window window_;
  std::size_t depth_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Prepared> queue_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace

struct Loader::Impl {
  Impl(std::unique_ptr<RowShards> shards, const LoaderState& start, const LoaderOptions& options)
      : state(start),
        prefetch(shards->thread_safe() ? options.prefetch : 0),
        cursor(std::move(shards), start, options.shuffle) {}

  Prepared produce(const Window& window) {
    if (prefetcher && prefetcher->window() == window) return prefetcher->take();
    prefetcher.reset();
    cursor.seek(state);
    if (prefetch == 0) return prepare(cursor, window);
    prefetcher = std::make_unique<Prefetcher>(cursor, window, prefetch);
    return prefetcher->take();
  }

  LoaderState state;
  std::int64_t prefetch;
  RowCursor cursor;
  std::unique_ptr<Prefetcher> prefetcher;  // last: it uses the cursor
};

Loader::Loader(std::unique_ptr<RowShards> shards, const LoaderState& state,
               const LoaderOptions& options) {
  core::check(options.prefetch >= 0, kTag, "prefetch of {} batches", options.prefetch);
  impl_ = std::make_unique<Impl>(std::move(shards), state, options);
}
Loader::Loader(std::vector<fs::path> shards, RowFormat format, LoaderState state,
               std::int64_t prefetch)
    : Loader(std::make_unique<TokenShards>(std::move(shards), std::move(format)), state,
             {.prefetch = prefetch, .shuffle = true}) {}
Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;

Batch Loader::next(std::int64_t total_rows, std::int64_t first, std::int64_t count) {
  core::check(count >= 0 && first >= 0 && first + count <= total_rows, kTag,
              "rows {} to {} of a window of {}", first, first + count, total_rows);
  Prepared prepared = impl_->produce({total_rows, first, count});
  if (prepared.error) {
    impl_->prefetcher.reset();  // its thread is over: the next call starts again from `state`
    std::rethrow_exception(prepared.error);
  }
  impl_->state = prepared.after;
  return std::move(prepared.batch);
}

LoaderState Loader::state() const {
  return impl_->state;
}

std::vector<Batch> validation_batches(RowShards& shards, std::int64_t rows,
                                      std::int64_t batch_rows) {
  core::check(rows > 0 && batch_rows > 0, kTag, "{} validation rows in batches of {}", rows,
              batch_rows);
  std::vector<Batch> batches;
  std::optional<BatchBuilder> builder;
  const auto finish_batch = [&] {
    batches.push_back(std::move(*builder).build());
    builder.reset();
  };
  std::int64_t left = rows;
  for (std::int64_t s = 0; s < shards.count() && left > 0; ++s) {
    const std::unique_ptr<RowSequence> shard = shards.open(s, std::nullopt);
    for (std::int64_t row = 0; left > 0 && shard->has_row(row); ++row, --left) {
      if (!builder) builder.emplace(shards.format());
      shard->add_row(row, *builder);
      if (builder->rows() == batch_rows) finish_batch();
    }
  }
  if (builder) finish_batch();
  return batches;
}

std::vector<Batch> validation_batches(const std::vector<fs::path>& shards, const RowFormat& format,
                                      std::int64_t rows, std::int64_t batch_rows) {
  TokenShards tokens(shards, format);
  return validation_batches(tokens, rows, batch_rows);
}

}  // namespace unfold::data
