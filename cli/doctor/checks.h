// What `unfold doctor` looks at. Collective: every rank looks at its own host, rank 0 compares.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/comm/communicator.h"

namespace unfold::cli::doctor {

struct Options {
  std::string folder = ".";  // where runs are written
  std::string device;        // cpu or cuda
  std::int64_t mib = 64;     // of the all-reduce that is timed
};

struct Findings {
  std::string text;                   // for people; of rank 0
  std::vector<std::string> problems;  // the same on every rank
};

// Hosts, processes and cores; programs and libraries; GPUs and drivers; speed and latency of sums
// over all ranks, checked for being right; clocks; whether the folder is one and the same file
// system for all, can be written, and has space.
Findings examine(core::Communicator& world, const Options& options);

}  // namespace unfold::cli::doctor
