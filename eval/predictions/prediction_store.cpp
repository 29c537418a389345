#include "eval/predictions/prediction_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <system_error>

#include "core/error.h"
#include "core/log.h"

namespace unfold::eval {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTag = "predictions";
constexpr std::uint64_t kLargestFile = std::uint64_t{4} << 30;

// Lines of a text, each with the offset behind its end; what follows the last line end is none.
struct Line {
  std::string_view text;
  std::size_t end = 0;
};

std::vector<Line> whole_lines(std::string_view text) {
  std::vector<Line> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) break;
    lines.push_back({text.substr(begin, end - begin), end + 1});
    begin = end + 1;
  }
  return lines;
}

std::string place_of(const fs::path& file, std::size_t line) {
  return fmt::format("{}:{}", file.string(), line + 1);
}

// What a part holds for certain: the batches that are ended by an empty line.
std::string read_batches(const fs::path& part) {
  std::string text = core::read_text_file(part, kLargestFile);
  const std::size_t end = text.rfind("\n\n");
  text.resize(end == std::string::npos ? 0 : end + 2);
  return text;
}

// Calls f(prediction, its line).
template <typename F>
void for_each_prediction(const fs::path& part, std::string_view text, F&& f) {
  const std::vector<Line> lines = whole_lines(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].text.empty())
      f(parse_prediction(lines[i].text, place_of(part, i)), lines[i].text);
  }
}

void move_file(const fs::path& from, const fs::path& to) {
  std::error_code error;
  if (!fs::exists(from, error)) return;
  core::create_folder(to.parent_path());
  fs::rename(from, to, error);
  core::require(!error, kTag, "{}: cannot be moved to {}: {}", from.string(), to.string(),
                error.message());
}

// The first line of `now` that `before` has not.
std::string first_difference(std::string_view before, const std::string& now) {
  std::set<std::string_view> lines;
  for (const Line& line : whole_lines(before)) lines.insert(line.text);
  for (const Line& line : whole_lines(now)) {
    if (!lines.contains(line.text)) return std::string(line.text);
  }
  return "something that is no longer so";
}

}  // namespace

std::string method_folder(std::string_view method, double ratio) {
  return fmt::format("{}@{}", method, ratio);
}

std::vector<Prediction> read_predictions(const fs::path& file) {
  std::string text = core::read_text_file(file, kLargestFile);
  if (!text.empty() && text.back() != '\n') text += '\n';
  std::vector<Prediction> predictions;
  const std::vector<Line> lines = whole_lines(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    predictions.push_back(parse_prediction(lines[i].text, place_of(file, i)));
  }
  return predictions;
}

fs::path PredictionStore::own_part() const {
  return folder_ / "unfinished" /
         fmt::format("{}.{}-of-{}.jsonl", task_, place_.rank, place_.world);
}

std::vector<fs::path> PredictionStore::parts() const {
  std::vector<fs::path> parts;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_ / "unfinished", ignored)) {
    // "TASK.R-of-N.jsonl"; task names hold no "-of-".
    const std::string name = entry.path().filename().string();
    const std::size_t of = name.rfind("-of-");
    const std::size_t dot = of == std::string::npos ? of : name.rfind('.', of);
    if (dot != std::string::npos && name.substr(0, dot) == task_) parts.push_back(entry.path());
  }
  std::sort(parts.begin(), parts.end());
  return parts;
}

void PredictionStore::move_away() const {
  const fs::path earlier = folder_ / "earlier";
  move_file(complete_file(), earlier / complete_file().filename());
  for (const fs::path& part : parts()) move_file(part, earlier / part.filename());
  move_file(made_file(), earlier / made_file().filename());
}

std::string PredictionStore::fault() const {
  try {
    const std::vector<Prediction> all = read_predictions(complete_file());
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].index == static_cast<std::int64_t>(i)) continue;
      return fmt::format("changed: line {} is of sample {}", i + 1, all[i].index);
    }
    if (std::ssize(all) == samples_) return "";
    return fmt::format("changed: {} of {} samples are there", all.size(), samples_);
  } catch (const core::UserError& error) {
    return fmt::format("changed: {}", error.what());
  }
}

std::string PredictionStore::prepare(const std::string& made, bool keep) const {
  std::error_code ignored;
  std::string difference;
  const bool stored = fs::exists(complete_file(), ignored) || !parts().empty();
  if (stored) {
    std::string before;
    if (fs::exists(made_file(), ignored)) before = core::read_text_file(made_file());
    if (before != made) {
      difference =
          fmt::format("made of something else: now it is {}", first_difference(before, made));
    } else if (keep && complete()) {
      difference = fault();
    }
    if (!difference.empty() || !keep) move_away();
  }
  core::create_folder(made_file().parent_path());
  core::create_folder(own_part().parent_path());
  core::write_file_atomically(made_file(), made);
  return difference;
}

bool PredictionStore::complete() const {
  std::error_code ignored;
  return fs::exists(complete_file(), ignored);
}

std::vector<std::vector<std::int64_t>> PredictionStore::open(
    std::span<const std::vector<std::int64_t>> batches) {
  std::set<std::int64_t> done;
  for (const fs::path& part : parts()) {
    const std::string text = read_batches(part);
    for_each_prediction(part, text,
                        [&](const Prediction& one, std::string_view) { done.insert(one.index); });
    if (part != own_part()) continue;
    std::error_code error;
    if (text.size() < fs::file_size(part)) fs::resize_file(part, text.size(), error);
    core::require(!error, kTag, "{}: cannot be cut: {}", part.string(), error.message());
  }
  part_.emplace(own_part(), core::AppendFile::Mode::extend);
  std::vector<std::vector<std::int64_t>> left;
  for (const std::vector<std::int64_t>& batch : batches) {
    std::vector<std::int64_t> missing;
    for (const std::int64_t i : batch) {
      if (!done.contains(i)) missing.push_back(i);
    }
    if (!missing.empty()) left.push_back(std::move(missing));
  }
  return left;
}

void PredictionStore::append(std::span<const Prediction> batch) {
  core::check(part_.has_value(), kTag, "no part is open");
  std::string lines;
  for (const Prediction& prediction : batch) lines += to_json_line(prediction) + "\n";
  part_->append(lines + "\n");
}

void PredictionStore::finish() {
  part_.reset();
  std::vector<std::string> lines(static_cast<std::size_t>(samples_));
  const std::vector<fs::path> files = parts();
  for (const fs::path& part : files) {
    for_each_prediction(part, read_batches(part),
                        [&](const Prediction& one, std::string_view line) {
                          if (one.index < 0 || one.index >= samples_) return;
                          std::string& place = lines[static_cast<std::size_t>(one.index)];
                          if (place.empty()) place = line;
                        });
  }
  std::string all;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    core::check(!lines[i].empty(), kTag, "{}: sample {} is missing", task_, i);
    all += lines[i] + "\n";
  }
  core::write_file_atomically(complete_file(), all);
  std::error_code ignored;
  for (const fs::path& part : files) fs::remove(part, ignored);
}

std::vector<Prediction> PredictionStore::predictions() const {
  return read_predictions(complete_file());
}

}  // namespace unfold::eval
