// What the trainer gets from a config.
#pragma once

#include <string>
#include <utility>

#include "cli/config/config.h"
#include "train/trainer.h"

namespace unfold::cli {

// yaml: the resolved config, for the run folder; empty where nothing is written.
inline train::TrainerConfig trainer_config(const Config& config, std::string yaml = "") {
  return {config.run,  config.model, config.gist,       config.selection,
          config.data, config.train, config.checkpoint, std::move(yaml)};
}

}  // namespace unfold::cli
