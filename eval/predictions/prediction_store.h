// The predictions of one task under one method, on disk while they are made, in
// RUN/predictions/METHOD@RATIO/:
//
//   TASK.jsonl                     complete: every sample once, in order (prediction.h)
//   made/TASK.txt                  what they are made of: decides whether they may be continued
//   unfinished/TASK.R-of-N.jsonl   what process R of N has so far, in the order it came
//   earlier/                       predictions that were made of something else, or were changed
//
// Samples are evaluated in batches, which are a function of the task and the number of processes
// alone. A batch is appended as a whole, ended by an empty line, and reaches the operating system
// before the next begins. What a killed process left of one is cut off again: a batch that is
// evaluated anew is the same batch, and gives the same predictions to the last bit. Predictions
// that were made of something else (another checkpoint, other settings, another version) are moved
// away, never mixed in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "eval/predictions/prediction.h"

namespace unfold::eval {

// "gsa@8": the folder of a method; the ratio in the fewest digits that read back exactly.
std::string method_folder(std::string_view method, double ratio);

// The predictions of a file, in its order. Throws core::UserError with file and line.
std::vector<Prediction> read_predictions(const std::filesystem::path& file);

class PredictionStore {
 public:
  // Which process this is.
  struct Place {
    int rank = 0;
    int world = 1;
  };

  // folder: of the method.
  PredictionStore(std::filesystem::path folder, std::string task, std::int64_t samples, Place place)
      : folder_(std::move(folder)), task_(std::move(task)), samples_(samples), place_(place) {}

  // One process does this before any opens its part: moves away what was made of something else or
  // is not whole, or everything unless `keep`, and notes what is made now. Returns what is wrong
  // with what was moved for that, one line, or "". Throws core::UserError for files that cannot be
  // written.
  std::string prepare(const std::string& made, bool keep) const;
  // Whether every sample is there, from an earlier evaluation.
  bool complete() const;
  // Opens the part of this process, whose batches of samples these are, and cuts it behind the last
  // whole batch. Returns the batches with what is still to be evaluated; those of which nothing is
  // are left out.
  std::vector<std::vector<std::int64_t>> open(std::span<const std::vector<std::int64_t>> batches);
  // Appends a batch to the part.
  void append(std::span<const Prediction> batch);
  // One process does this when all are done: puts the parts together.
  // Throws core::InternalError when a sample is missing.
  void finish();
  // All predictions, when complete.
  std::vector<Prediction> predictions() const;

 private:
  std::filesystem::path complete_file() const { return folder_ / (task_ + ".jsonl"); }
  std::filesystem::path made_file() const { return folder_ / "made" / (task_ + ".txt"); }
  std::filesystem::path own_part() const;
  std::vector<std::filesystem::path> parts() const;
  void move_away() const;
  // What a complete file lacks: every sample once, in order. "": nothing.
  std::string fault() const;

  std::filesystem::path folder_;
  std::string task_;
  std::int64_t samples_;
  Place place_;
  std::optional<core::AppendFile> part_;
};

}  // namespace unfold::eval
