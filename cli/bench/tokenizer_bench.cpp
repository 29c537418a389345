#include "cli/bench/tokenizer_bench.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <vector>

#include "cli/bench/timing.h"
#include "core/error.h"
#include "core/file.h"
#include "core/random.h"
#include "data/tokenizer/train_tokenizer.h"

namespace unfold::cli::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kVocabulary = 8192;

// A text file in the system's folder for temporary files, removed at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text)
      : path_(fs::temp_directory_path() / fmt::format("unfold-bench-{}.txt", ::getpid())) {
    core::write_file_atomically(path_, text);
  }
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string invented_word(core::Random& random) {
  static constexpr const char* kSyllables[] = {"ba",  "con", "de", "el",  "fi", "gra", "hu",  "in",
                                               "ker", "lo",  "mi", "ner", "o",  "pre", "qui", "ra",
                                               "sta", "ti",  "un", "ver", "wa", "ze"};
  std::string word;
  for (std::uint32_t i = 1 + random.below(4); i > 0; --i) {
    word += kSyllables[random.below(std::size(kSyllables))];
  }
  return word;
}

}  // namespace

std::string invented_text(std::int64_t bytes) {
  constexpr std::uint32_t kWords = 30000;
  core::Random random(1, 0);
  std::vector<std::string> words(kWords);
  for (std::string& word : words) word = invented_word(random);
  std::string text;
  while (static_cast<std::int64_t>(text.size()) < bytes) {
    // Rank r with a probability that falls as 1 / r.
    const double rank = std::exp(random.uniform() * std::log(static_cast<double>(kWords))) - 1.0;
    text += words[static_cast<std::size_t>(rank)];
    text += random.below(12) == 0 ? ".\n" : " ";
  }
  return text;
}

Section tokenizer_section(const std::string& text, std::int64_t bytes, double seconds) {
  std::unique_ptr<TemporaryFile> temporary;
  if (text.empty()) temporary = std::make_unique<TemporaryFile>(invented_text(bytes));
  const fs::path file = text.empty() ? temporary->path() : fs::path(text);
  const std::string content = core::read_text_file(file, std::uint64_t{1} << 30);
  core::require(!content.empty(), "bench", "{}: is empty: give --text a file with text",
                file.string());
  const double megabytes = static_cast<double>(content.size()) * 1e-6;
  data::TrainTokenizerOptions options;
  options.bpe.vocab_size = kVocabulary;
  data::TrainedTokenizer trained;
  const double training = seconds_of([&] { trained = data::train_tokenizer({file}, options); });
  std::size_t tokens = 0;
  const double encoding =
      fastest_of(seconds, 2, [&] { tokens = trained.tokenizer->encode(content).size(); })[0];
  Section section;
  section.key = "tokenizer";
  section.title =
      fmt::format("tokenizer, {:.1f} MB of {}", megabytes, text.empty() ? "invented words" : text);
  section.columns = {{"vocab_size", "vocabulary"},
                     {"train_seconds", "trained in s", 2},
                     {"bytes_per_token", "bytes/token", 2},
                     {"encode_mb_per_second", "encode MB/s, one core", 1}};
  section.rows = {{static_cast<double>(trained.tokenizer->vocab_size()), training,
                   static_cast<double>(content.size()) / static_cast<double>(tokens),
                   megabytes / encoding}};
  return section;
}

}  // namespace unfold::cli::bench
