// The configuration of a run: one struct a section, filled from YAML by one schema.
//
//     run:   {dir: runs/demo}
//     train: {steps: 300, rows: 8}
//     train.row_length: 1024          # dotted keys work in files too
//
// Everything that knows the keys walks the schema (cli/config/schema.h): reading, --set, printing,
// the reference, comparison. Paths (run.dir, data.*, train.init_from) are relative to the working
// directory, not to the file.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/data_config.h"
#include "eval/eval_config.h"
#include "gsa/gist_config.h"
#include "gsa/selection.h"
#include "models/decoder_config.h"
#include "train/train_config.h"

namespace unfold::cli {

struct Config {
  train::RunConfig run;
  models::DecoderConfig model;
  gsa::GistConfig gist;
  gsa::SelectionConfig selection;
  data::DataConfig data;
  train::TrainConfig train;
  train::CheckpointConfig checkpoint;
  eval::EvalConfig eval;
};

// Reads a YAML file, applies the overrides ("key=value", the value is YAML) in order and validates
// the result (cli/config/validate.h). Keys that are not set keep the defaults of the structs.
// Throws core::UserError, one line with file and line: missing file, YAML syntax, unknown or
// duplicate key, wrong type, out of range, keys that contradict each other.
Config load_config(const std::filesystem::path& file, std::span<const std::string> overrides = {});

// The same for text already in memory; name stands for the file in error messages.
Config parse_config(std::string_view text, std::string_view name,
                    std::span<const std::string> overrides = {});

// The resolved config, every key written out. parse_config(to_yaml(c)) gives c again, exactly.
std::string to_yaml(const Config& config);

// One key on which two configs differ; values as YAML.
struct Difference {
  std::string key;
  std::string left;
  std::string right;
  bool operator==(const Difference&) const = default;
};

// The keys on which two configs differ, in schema order; empty when they are equal.
std::vector<Difference> differing_keys(const Config& left, const Config& right);

enum class ReferenceFormat { text, markdown };

// Every key with type, default, range and help.
std::string config_reference(ReferenceFormat format);

}  // namespace unfold::cli
