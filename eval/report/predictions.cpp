#include "eval/report/predictions.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <system_error>

#include "core/error.h"
#include "core/file.h"
#include "eval/report/text_clip.h"

namespace unfold::eval {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kFileLimit = std::uint64_t{2} << 30;  // bytes
constexpr std::size_t kProblems = 8;
constexpr std::size_t kAnswers = 6;
constexpr std::size_t kMoreMetrics = 8;
constexpr std::size_t kUnfolded = 8;
constexpr std::size_t kMostText = std::size_t{64} << 20;  // bytes of texts kept, over all files

double number(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return PredictedSample::kUnknown;
  return found->get<double>();
}

const std::string* text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

SampleText sample_text(const Json& line, const std::string& prediction) {
  SampleText shown;
  if (const std::string* question = text(line, "question")) {
    shown.question = clip_text(*question, 700, /*from_both_ends=*/true);
  }
  shown.prediction = clip_text(prediction, 600);
  if (const auto answers = line.find("answers"); answers != line.end() && answers->is_array()) {
    for (const Json& answer : *answers) {
      const auto* one = answer.get_ptr<const std::string*>();
      if (!one) continue;
      if (shown.answers.size() < kAnswers) {
        shown.answers.push_back(clip_text(*one, 300));
      } else {
        ++shown.more_answers;
      }
    }
  }
  if (const auto list = line.find("unfolded"); list != line.end() && list->is_array()) {
    for (const Json& chunk : *list) {
      if (shown.unfolded.size() == kUnfolded) break;
      if (!chunk.is_object()) continue;
      if (const std::string* words = text(chunk, "text")) {
        shown.unfolded.push_back({clip_text(*words, 240), number(chunk, "share")});
      }
    }
  }
  return shown;
}

std::size_t bytes_of(const SampleText& shown) {
  std::size_t bytes = shown.question.size() + shown.prediction.size();
  for (const std::string& answer : shown.answers) bytes += answer.size();
  for (const UnfoldedText& chunk : shown.unfolded) bytes += chunk.text.size();
  return bytes;
}

// Where a run's prediction file lies, and what its path says.
struct Place {
  fs::path path;
  std::string shown;  // from the run, for messages
  PredictionFile file;
};

void split_method(const std::string& folder, PredictionFile& file) {
  file.method = folder;
  const std::size_t at = folder.rfind('@');
  if (at == std::string::npos || at == 0) return;
  double ratio = 0;
  const char* end = folder.data() + folder.size();
  const auto [last, error] = std::from_chars(folder.data() + at + 1, end, ratio);
  if (error != std::errc() || last != end || !std::isfinite(ratio) || ratio <= 0) return;
  file.method = folder.substr(0, at);
  file.ratio = ratio;
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    found.push_back(at->path());
  }
  core::require(!error, "report", "{}: cannot be read: {}: check its permissions", folder.string(),
                error.message());
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<Place> prediction_places(const fs::path& root) {
  std::vector<Place> places;
  std::error_code ignored;
  for (const fs::path& folder : entries(root)) {
    if (!fs::is_directory(folder, ignored)) continue;
    for (const fs::path& path : entries(folder)) {
      if (path.extension() != ".jsonl" || !fs::is_regular_file(path, ignored)) continue;
      Place place;
      place.path = path;
      place.shown = (root.filename() / folder.filename() / path.filename()).string();
      place.file.task = path.stem().string();
      split_method(folder.filename().string(), place.file);
      places.push_back(std::move(place));
    }
  }
  return places;
}

// Calls `use` with every line that is not blank and its number from 1; whether it is a last line
// without an end.
template <typename Use>
void for_each_line(std::string_view rest, Use&& use) {
  for (std::int64_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
      use(line, number, end == std::string_view::npos);
    }
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
}

class Reader {
 public:
  Predictions read(const fs::path& root) {
    std::vector<Place> places = prediction_places(root);
    std::map<std::string, std::vector<Place*>> by_task;
    for (Place& place : places) by_task[place.file.task].push_back(&place);
    for (auto& [task, of_task] : by_task) read_task(of_task);
    for (Place& place : places) {
      if (!place.file.task.empty()) result_.files.push_back(std::move(place.file));
    }
    return std::move(result_);
  }

 private:
  // All methods of a task, so that the same samples keep their texts.
  void read_task(const std::vector<Place*>& places) {
    std::vector<std::string> contents(places.size());
    std::size_t lines = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
      try {
        contents[i] = core::read_text_file(places[i]->path, kFileLimit);
      } catch (const core::UserError& error) {
        ++result_.unreadable_files;
        add_problem(error.what());
        places[i]->file.task.clear();
        continue;
      }
      std::size_t count = 0;
      for_each_line(contents[i], [&](std::string_view, std::int64_t, bool) { ++count; });
      lines = std::max(lines, count);
    }
    std::set<std::size_t> picked;  // first and last among them
    for (std::size_t k = 0; k < kTextsPerTask && lines > 0; ++k) {
      picked.insert(k * (lines - 1) / (kTextsPerTask - 1));
    }
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (!places[i]->file.task.empty()) read_file(contents[i], picked, *places[i]);
      contents[i] = {};
    }
  }

  void read_file(const std::string& contents, const std::set<std::size_t>& picked, Place& place) {
    std::size_t at = 0;
    for_each_line(contents, [&](std::string_view line, std::int64_t number, bool torn) {
      const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
      const std::string* prediction = json.is_object() ? text(json, "pred") : nullptr;
      if (prediction) {
        add_sample(json, *prediction, at, picked.contains(at), place.file);
      } else {
        ++result_.unreadable_lines;
        add_problem(fmt::format("{}:{}: {}", place.shown, number,
                                json.is_object() ? "no text 'pred'"
                                : torn           ? "cut off"
                                                 : "not a JSON object"));
      }
      ++at;
    });
  }

  void add_sample(const Json& line, const std::string& prediction, std::size_t place, bool keep,
                  PredictionFile& file) {
    PredictedSample sample;
    sample.place = place;
    const double index = number(line, "index");
    if (const std::string* id = text(line, "id"); id && !id->empty()) {
      sample.id = clip_text(*id, 200);
    } else {
      sample.id = std::isfinite(index) ? fmt::format("#{:.0f}", index) : fmt::format("#{}", place);
    }
    sample.score = number(line, "score");
    sample.attended = number(line, "attended");
    sample.seconds = number(line, "seconds");
    sample.prompt_tokens = number(line, "prompt_tokens");
    sample.new_tokens = number(line, "new_tokens");
    if (const auto tags = line.find("tags"); tags != line.end() && tags->is_object()) {
      sample.depth = number(*tags, "depth");
      sample.context = number(*tags, "context");
      sample.gold = number(*tags, "gold");
    }
    if (const std::string* metric = text(line, "metric"); metric && file.metric.empty()) {
      file.metric = clip_text(*metric, 100);
    }
    if (const auto scores = line.find("scores"); scores != line.end() && scores->is_object()) {
      for (const auto& [name, value] : scores->items()) {
        if (value.is_number()) add_score(name, value.get<double>(), file, sample);
      }
    }
    if (keep && kept_ < kMostText) {
      sample.text = sample_text(line, prediction);
      kept_ += bytes_of(*sample.text);
    }
    file.samples.push_back(std::move(sample));
  }

  static void add_score(const std::string& metric, double score, PredictionFile& file,
                        PredictedSample& sample) {
    if (metric == file.metric) return;
    auto& names = file.more_metrics;
    const auto place =
        static_cast<std::size_t>(std::find(names.begin(), names.end(), metric) - names.begin());
    if (place == names.size()) {
      if (names.size() == kMoreMetrics) return;
      names.push_back(clip_text(metric, 100));
    }
    sample.more_scores.resize(std::max(sample.more_scores.size(), place + 1),
                              PredictedSample::kUnknown);
    sample.more_scores[place] = score;
  }

  void add_problem(std::string problem) {
    if (result_.problems.size() < kProblems) result_.problems.push_back(std::move(problem));
  }

  Predictions result_;
  std::size_t kept_ = 0;  // bytes of texts
};

}  // namespace

Predictions read_run_predictions(const fs::path& run) {
  const fs::path root = run / "predictions";
  if (core::path_kind(root) != core::PathKind::folder) return {};
  return Reader().read(root);
}

}  // namespace unfold::eval
