#include "data/corpus.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "data/shard.h"

namespace unfold::data {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kTag = "corpus";
constexpr std::size_t kGroupBytes = std::size_t{256} << 10;

struct EncodedPiece {
  std::vector<TokenId> tokens;
  bool continues;
};

struct EncodedGroup {
  std::vector<EncodedPiece> pieces;
  std::int64_t bytes_read = 0;  // of the input, up to the end of the group
};

// Threads that run tasks in any order; results and exceptions travel in the tasks' futures.
class Workers {
 public:
  explicit Workers(int threads) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { run(); });
    }
  }
  ~Workers() {
    {
      const std::lock_guard lock(mutex_);
      tasks_.clear();
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  std::future<EncodedGroup> submit(std::packaged_task<EncodedGroup()> task) {
    auto result = task.get_future();
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    changed_.notify_one();
    return result;
  }

 private:
  void run() {
    for (;;) {
      std::packaged_task<EncodedGroup()> task;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::packaged_task<EncodedGroup()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

bool is_shard_name(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with("shard-") && name.ends_with(".h5");
}

std::vector<fs::path> shards_in(const fs::path& folder) {
  std::vector<fs::path> shards;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (is_shard_name(entry.path())) shards.push_back(entry.path());
  }
  core::require(!error, kTag, "{}: cannot list the folder ({}): check its permissions",
                folder.string(), error.message());
  std::sort(shards.begin(), shards.end());
  return shards;
}

// The shards of one run: written one after the other, published together.
class ShardSeries {
 public:
  ShardSeries(fs::path folder, const VocabInfo& vocab, const CorpusOptions& options)
      : folder_(std::move(folder)), vocab_(vocab), options_(options) {}

  void add(const EncodedPiece& piece) {
    if (shards_.empty()) {
      start_shard();
    } else if (shards_.back().tokens() >= options_.shard_tokens) {
      if (in_document_) shards_.back().end_document();
      shards_.back().seal();
      start_shard();
    }
    ShardWriter& shard = shards_.back();
    shard.append(piece.tokens);
    in_document_ = piece.continues;
    if (in_document_) return;
    shard.append(std::span(&vocab_.eos, 1));
    shard.end_document();
    ++documents_;
  }

  std::int64_t tokens() const {
    std::int64_t sum = 0;
    for (const ShardWriter& shard : shards_) sum += shard.tokens();
    return sum;
  }

  CorpusStats publish() {
    core::check(!shards_.empty() && !in_document_, kTag, "no whole document to publish");
    shards_.back().seal();
    CorpusStats stats;
    stats.documents = documents_;
    stats.tokens = tokens();
    try {
      for (ShardWriter& shard : shards_) {
        shard.publish();
        stats.bytes += shard.bytes();
        stats.shards.push_back(paths_[stats.shards.size()]);
      }
    } catch (...) {
      // Part of a corpus looks like a whole one: better none.
      std::error_code ignored;
      for (const fs::path& shard : stats.shards) fs::remove(shard, ignored);
      throw;
    }
    return stats;
  }

 private:
  void start_shard() {
    paths_.push_back(folder_ / fmt::format("shard-{:05}.h5", shards_.size()));
    shards_.emplace_back(paths_.back(), vocab_, options_.overwrite);
  }

  fs::path folder_;
  const VocabInfo& vocab_;
  const CorpusOptions& options_;
  std::vector<ShardWriter> shards_;
  std::vector<fs::path> paths_;
  bool in_document_ = false;
  std::int64_t documents_ = 0;
};

void prepare_folder(const fs::path& out_dir, const CorpusOptions& options) {
  std::error_code error;
  fs::create_directories(out_dir, error);
  core::require(!error && fs::is_directory(out_dir), kTag,
                "{}: cannot make the output folder ({}): choose another one", out_dir.string(),
                error ? error.message() : "it is a file");
  const auto existing = shards_in(out_dir);
  core::require(existing.empty() || options.overwrite, kTag,
                "{}: holds shards already, such as {}: choose another folder or ask to overwrite",
                out_dir.string(), existing.empty() ? "" : existing.front().filename().string());
}

// Shards travel with their tokenizer. The same one may lie there already (it may be our own input).
// Whether it has to be written; found out before the work, not behind it.
bool needs_tokenizer(const Tokenizer& tokenizer, const fs::path& out_dir, bool overwrite) {
  const fs::path target = core::replaceable(out_dir / "tokenizer.json");
  if (!fs::exists(target) || overwrite) return true;
  core::require(load_tokenizer(target.string())->fingerprint() == tokenizer.fingerprint(), kTag,
                "{}: is another tokenizer than the one given: choose another output folder or "
                "ask to overwrite",
                target.string());
  return false;
}

void copy_tokenizer(const Tokenizer& tokenizer, const fs::path& out_dir) {
  const fs::path target = core::replaceable(out_dir / "tokenizer.json");
  const fs::path temporary = target.parent_path() / ".tokenizer.json.tmp";
  std::error_code error;
  try {
    tokenizer.save(temporary);
    fs::rename(temporary, target, error);
    core::require(!error, kTag, "{}: cannot rename {} to it ({}): check the folder",
                  target.string(), temporary.string(), error.message());
  } catch (...) {
    fs::remove(temporary, error);
    throw;
  }
}

EncodedGroup encode(const Tokenizer& tokenizer, const std::vector<Document>& group,
                    std::int64_t bytes_read) {
  EncodedGroup encoded;
  encoded.bytes_read = bytes_read;
  encoded.pieces.reserve(group.size());
  for (const Document& piece : group) {
    encoded.pieces.push_back({tokenizer.encode(piece.text), piece.continues});
  }
  return encoded;
}

}  // namespace

CorpusStats tokenize_corpus(const std::vector<fs::path>& inputs, const Tokenizer& tokenizer,
                            const fs::path& out_dir, const CorpusOptions& options,
                            const std::function<void(const CorpusProgress&)>& progress) {
  core::require(options.shard_tokens > 0, kTag, "{} tokens a shard: give a number above 0",
                options.shard_tokens);
  core::require(options.threads >= 0, kTag, "{} threads: give 0 (all cores) or more",
                options.threads);
  DocumentReader reader(inputs, options.reader);
  prepare_folder(out_dir, options);
  const bool with_tokenizer = needs_tokenizer(tokenizer, out_dir, options.overwrite);

  const VocabInfo vocab = describe_vocab(tokenizer);
  ShardSeries series(out_dir, vocab, options);
  const int threads = options.threads > 0
                          ? options.threads
                          : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const std::size_t most_pending = static_cast<std::size_t>(threads) * 2 + 1;
  std::deque<std::future<EncodedGroup>> pending;
  Workers workers(threads);  // behind what its tasks use, so that it ends before

  const auto write_oldest = [&] {
    const EncodedGroup group = pending.front().get();
    pending.pop_front();
    for (const EncodedPiece& piece : group.pieces) series.add(piece);
    if (progress) progress({group.bytes_read, reader.total_bytes(), series.tokens()});
  };

  for (bool more = true; more;) {
    std::vector<Document> group;
    for (std::size_t bytes = 0; bytes < kGroupBytes;) {
      Document document;
      more = reader.next(document);
      if (!more) break;
      bytes += document.text.size();
      group.push_back(std::move(document));
    }
    if (!group.empty()) {
      pending.push_back(workers.submit(std::packaged_task<EncodedGroup()>(
          [&tokenizer, group = std::move(group), bytes = reader.bytes_read()] {
            return encode(tokenizer, group, bytes);
          })));
    }
    while (pending.size() > (more ? most_pending : 0)) write_oldest();
  }

  if (with_tokenizer) copy_tokenizer(tokenizer, out_dir);
  const auto stale = shards_in(out_dir);
  CorpusStats stats = series.publish();
  for (const fs::path& shard : stale) {
    const bool replaced =
        std::find(stats.shards.begin(), stats.shards.end(), shard) != stats.shards.end();
    std::error_code error;
    if (!replaced && !fs::remove(shard, error)) {
      core::log::warning("[corpus] {}: an old shard that cannot be removed: remove it by hand",
                         shard.string());
    }
  }
  return stats;
}

}  // namespace unfold::data
