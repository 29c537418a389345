#include "tests/train/tiny_run.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/log.h"
#include "core/random.h"
#include "data/corpus.h"
#include "data/loader.h"
#include "data/shard.h"
#include "data/tokenizer/byte_tokenizer.h"

namespace unfold::train::testing {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

// Models so small gain nothing from threads, and on a busy machine threads wait for each other.
class OneThread : public ::testing::Environment {
 public:
  void SetUp() override { omp_set_num_threads(1); }
};
const ::testing::Environment* const g_one_thread =
    ::testing::AddGlobalTestEnvironment(new OneThread);

}  // namespace

std::string invented_text(std::size_t bytes, std::uint64_t seed) {
  core::Random random(seed);
  std::string text;
  while (text.size() < bytes) {
    for (std::uint32_t i = random.below(7) + 1; i > 0; --i) {
      text += static_cast<char>('a' + random.below(6));
    }
    text += random.below(8) == 0 ? ". " : " ";
  }
  return text;
}

void make_shards(const fs::path& folder) {
  const data::ByteTokenizer tokenizer;
  core::Random random(7);
  for (const char* split : {"train", "val"}) {
    const fs::path text = folder / (std::string(split) + ".jsonl");
    std::ofstream out(text, std::ios::binary);
    for (std::uint64_t i = 0; i < 40; ++i) {
      out << Json{{"text", invented_text(20 + random.below(380), random.bits())}} << "\n";
    }
    out.close();
    data::CorpusOptions options;
    options.threads = 1;
    options.shard_tokens = 3000;
    data::tokenize_corpus({text}, tokenizer, folder / split, options);
  }
}

models::DecoderConfig tiny_decoder() {
  models::DecoderConfig config;
  config.vocab_size = data::ByteTokenizer().vocab_size();
  config.width = 16;
  config.layers = 2;
  config.heads = 4;
  config.kv_heads = 2;
  config.ffn = 24;
  return config;
}

TrainerConfig tiny_config(const fs::path& folder) {
  core::log::set_level(core::log::Level::warning);
  make_shards(folder);
  TrainerConfig config;
  config.run.dir = (folder / "run").string();
  config.model = tiny_decoder();
  config.gist.chunks = {6};
  config.gist.sinks = 2;
  config.data.train = {(folder / "train").string()};
  config.data.val = {(folder / "val").string()};
  config.train.steps = 8;
  config.train.rows = 4;
  config.train.row_length = 48;
  config.train.val_every = 2;
  config.train.val_rows = 4;
  config.train.log_every = 1000000;
  config.train.schedule.kind = ScheduleKind::constant;
  config.checkpoint.every = 4;
  config.resolved_yaml = "run: {dir: run}\n";
  return config;
}

void use_records(TrainerConfig& config, const fs::path& folder) {
  fs::create_directories(folder / "sft");
  for (const std::uint64_t file : {0, 1}) {
    std::ofstream out(folder / "sft" / (std::to_string(file) + ".jsonl"), std::ios::binary);
    for (std::uint64_t i = 0; i < 15; ++i) {
      const auto words = [&](std::size_t bytes, std::uint64_t part) {
        std::string text = invented_text(bytes, 1000 * file + 10 * i + part);
        text.pop_back();  // the space behind the last word
        return text;
      };
      const auto asked = [&](std::uint64_t part) {
        return Json{{"question", words(3, part)}, {"answer", words(2, part + 1)}};
      };
      out << Json{{"context", {words(5 + i, 1), words(4, 2)}}, {"questions", {asked(3), asked(5)}}}
          << "\n";
    }
  }
  config.data.format = data::DataFormat::sft;
  config.data.train = config.data.val = {(folder / "sft").string()};
  config.train.row_length = 120;
}

void use_links(TrainerConfig& config, const fs::path& folder) {
  use_records(config, folder);
  config.train.objective = Objective::sft;
  config.train.row_length = 130;
  config.gist.chunks = {3};
  config.gist.links = 3;
}

std::vector<data::Batch> tiny_batches(const fs::path& folder, const gsa::GistConfig& gist,
                                      std::int64_t rows, std::int64_t batch_rows) {
  const data::RowFormat format = data::make_row_format(data::ByteTokenizer(), gist, 48);
  return data::validation_batches(data::find_shards({(folder / "val").string()}), format, rows,
                                  batch_rows);
}

TrainSummary run_training(const TrainerConfig& config, bool resume) {
  return train(config, resume ? Resume::latest : Resume::no, *core::make_single_process());
}

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::vector<std::pair<std::string, std::string>> read_tree(const fs::path& folder) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    files.emplace_back(entry.path().lexically_relative(folder).string(),
                       entry.is_regular_file() ? read_file(entry.path()) : "");
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> timeless_metrics(const fs::path& run) {
  std::ifstream in(run / "metrics.jsonl");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    Json json = Json::parse(line);
    json.erase("time");
    lines.push_back(json.dump());
  }
  return lines;
}

std::vector<double> metric(const fs::path& run, const std::string& name) {
  std::vector<double> values;
  for (const std::string& line : timeless_metrics(run)) {
    const Json json = Json::parse(line);
    if (json.contains(name)) values.push_back(json[name].get<double>());
  }
  return values;
}

}  // namespace unfold::train::testing
