#include "cli/doctor/checks.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <span>

#include "cli/doctor/host.h"
#include "core/comm/world.h"
#include "core/device.h"
#include "core/error.h"
#include "core/file.h"
#include "core/tensor.h"
#include "core/text_format.h"

namespace unfold::cli::doctor {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The findings as they are made; of rank 0.
struct Report {
  std::string text;
  std::vector<std::string> problems;

  void line(const std::string& what, const std::string& found) {
    text += fmt::format("  {:<28}{}\n", what, found);
  }
  void problem(const std::string& what) {
    problems.push_back(what);
    text += fmt::format("  WRONG  {}\n", what);
  }
};

void compare(const std::vector<Facts>& all, const char* key, const char* advice, Report& report) {
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    const std::string first = all[0].at(key);
    const std::string other = all[rank].at(key);
    if (first == other) continue;
    report.problem(fmt::format("{} differs: rank 0 on {} has '{}', rank {} on {} has '{}': {}", key,
                               all[0].at("host"), first, rank, all[rank].at("host"), other,
                               advice));
    return;
  }
}

void report_hosts(const std::vector<Facts>& all, Report& report) {
  std::map<std::string, std::vector<std::size_t>> hosts;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    hosts[all[rank].at("host")].push_back(rank);
  }
  report.text += fmt::format("{} rank{} on {} host{}\n", all.size(), all.size() == 1 ? "" : "s",
                             hosts.size(), hosts.size() == 1 ? "" : "s");
  for (const auto& [host, ranks] : hosts) {
    const Facts& facts = all[ranks.front()];
    report.line(
        host, fmt::format("ranks {}..{}, {} cores ({} for a rank), {} threads a rank, {} of "
                          "memory available, {} GPUs",
                          ranks.front(), ranks.back(), facts.at("cores"), facts.at("usable cores"),
                          facts.at("threads"), facts.at("memory"), facts.at("GPUs")));
    const double threads = std::atof(facts.at("threads").c_str());
    const double cores = std::atof(facts.at("cores").c_str());
    if (threads * static_cast<double>(ranks.size()) > cores) {
      report.problem(
          fmt::format("{}: {} ranks of {} threads share {} cores: set OMP_NUM_THREADS to "
                      "{} or less",
                      host, ranks.size(), facts.at("threads"), facts.at("cores"),
                      std::max(1.0, std::floor(cores / static_cast<double>(ranks.size())))));
    }
    for (const std::size_t rank : ranks) {
      if (all[rank].at("device") != "cpu") {
        report.line("", fmt::format("rank {}: {}, {} free", rank, all[rank].at("device"),
                                    all[rank].at("GPU free")));
      }
    }
  }
  const Facts& first = all.front();
  report.line("program", first.at("program"));
  report.line("CUDA", first.at("CUDA"));
  report.line("MPI", first.at("MPI").empty() ? "not in this build" : first.at("MPI"));
  report.line("NCCL", first.at("NCCL").empty() ? "not in this build" : first.at("NCCL"));
  compare(all, "program", "install the same binary", report);
  compare(all, "NCCL", "install the same NCCL", report);
  compare(all, "kind", "ranks with different devices wait for the slowest", report);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (const auto problem = all[rank].find("problem"); problem != all[rank].end()) {
      report.problem(fmt::format("rank {} on {}: {}", rank, all[rank].at("host"), problem->second));
    }
  }
}

// Sums over all ranks: right, and how fast. Bandwidth as NCCL's tests count it, so that it compares
// with that of a link: 2 (n - 1) / n bytes a byte.
void examine_sums(core::Communicator& world, core::Device device, std::int64_t mib,
                  Report& report) {
  const std::int64_t count = mib * (1 << 20) / 4;
  const core::Tensor tensor =
      core::Tensor::full({count}, world.rank() + 1, core::DType::float32, device);
  const int ranks = world.world_size();
  world.all_reduce_sum(tensor);  // makes connections
  const double expected = ranks * (ranks + 1) / 2.0;
  std::array<double, 1> wrong = {
      tensor.slice(0, count - 1, count).reshape({}).item() == expected ? 0.0 : 1.0};
  world.all_reduce_sum(std::span<double>(wrong));
  constexpr int kTimes = 5;
  world.barrier();
  const auto begin = Clock::now();
  for (int i = 0; i < kTimes; ++i) world.all_reduce_sum(tensor);
  static_cast<void>(tensor.slice(0, 0, 1).reshape({}).item());  // the device is done
  const double seconds = seconds_since(begin) / kTimes;
  constexpr int kShort = 200;
  std::array<double, 1> value = {0};
  const auto begin_short = Clock::now();
  for (int i = 0; i < kShort; ++i) world.all_reduce_sum(std::span<double>(value));
  const double latency = seconds_since(begin_short) / kShort;
  if (!world.is_root()) return;
  report.text += "\nbetween the ranks\n";
  report.line("communication", world.describe());
  const double factor = 2.0 * (ranks - 1) / ranks;
  report.line(fmt::format("sum of {} MiB on {}", mib, core::name_of(device)),
              fmt::format("{:.2f} ms, {:.2f} GB/s", seconds * 1e3,
                          factor * static_cast<double>(count) * 4 / seconds * 1e-9));
  report.line("sum of one number", fmt::format("{:.1f} us", latency * 1e6));
  if (wrong[0] > 0) report.problem("a sum over the ranks came out wrong: check network and GPUs");
}

// Clocks of the hosts against rank 0's: when a barrier ends, it ends for all at about one time.
void examine_clocks(core::Communicator& world, Report& report) {
  double best = 1e9;
  double offset = 0;
  for (int i = 0; i < 10; ++i) {
    world.barrier();
    const auto begin = Clock::now();
    const double here =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    std::array<double, 1> root = {world.is_root() ? here : 0};
    world.all_reduce_sum(std::span<double>(root));
    const double taken = seconds_since(begin);
    if (taken < best) {
      best = taken;
      offset = here - root[0];
    }
  }
  const std::vector<std::string> offsets = world.gather(fmt::format("{:.6f}", offset));
  if (!world.is_root()) return;
  double most = 0;
  std::size_t whose = 0;
  for (std::size_t rank = 0; rank < offsets.size(); ++rank) {
    const double value = std::fabs(std::strtod(offsets[rank].c_str(), nullptr));
    if (value > most) {
      most = value;
      whose = rank;
    }
  }
  report.line("clocks", fmt::format("within {:.1f} ms", most * 1e3));
  if (most > 1) {
    report.problem(
        fmt::format("the clock of rank {} is {:.1f} s off that of rank 0: set the clocks "
                    "by NTP, or logs of hosts cannot be compared",
                    whose, most));
  }
}

// Rank 0 writes a file; the others must see it. And each host must be able to write.
void examine_folder(core::Communicator& world, const std::string& folder, Report& report) {
  const fs::path path(folder);
  const std::string token = world.broadcast(
      world.is_root() ? fmt::format("{}-{}", ::getpid(),
                                    std::chrono::system_clock::now().time_since_epoch().count())
                      : "",
      0);
  const fs::path shared = path / (".unfold-doctor-" + token);
  std::string problem;
  if (world.is_root()) {
    try {
      core::write_file_atomically(shared, token);
    } catch (const core::Error& error) {
      problem = error.what();
    }
  }
  const bool written = world.broadcast(problem, 0).empty();
  world.barrier();
  if (written && !world.is_root()) {
    try {
      if (core::read_text_file(shared) != token) problem = "the file of rank 0 has other contents";
      core::write_file_atomically(path / fmt::format(".unfold-doctor-{}-{}", token, world.rank()),
                                  token);
    } catch (const core::Error& error) {
      problem = error.what();
    }
  }
  std::error_code ignored;
  const fs::space_info space = fs::space(path, ignored);
  const std::vector<std::string> problems = world.gather(problem);
  fs::remove(path / fmt::format(".unfold-doctor-{}-{}", token, world.rank()), ignored);
  world.barrier();
  if (!world.is_root()) return;
  fs::remove(shared, ignored);
  report.text += "\nfiles\n";
  bool good = true;
  for (std::size_t rank = 0; rank < problems.size(); ++rank) {
    if (problems[rank].empty()) continue;
    good = false;
    report.problem(fmt::format("rank {}: {}: {}", rank, folder, problems[rank]));
  }
  if (good) {
    report.line(folder, fmt::format("{}{} free",
                                    world.world_size() > 1 ? "seen and written by all ranks, " : "",
                                    core::format_bytes(static_cast<double>(space.available))));
  }
  if (space.available < (std::uint64_t{1} << 30)) {
    report.problem(fmt::format("{}: less than 1 GiB is free: make room for checkpoints", folder));
  }
}

}  // namespace

Findings examine(core::Communicator& world, const Options& options) {
  Report report;
  const std::string device = core::device_of_rank(options.device, world.local_rank());
  const std::vector<std::string> texts = world.gather(to_text(facts_of_this_host(device)));
  std::vector<Facts> all;
  for (const std::string& text : texts) all.push_back(facts_from(text));
  // A rank without its GPU cannot take part in what follows.
  std::string broken;
  if (world.is_root()) {
    report_hosts(all, report);
    for (const Facts& facts : all)
      broken += facts.at("device").starts_with("cpu") != (device == "cpu") ? "x" : "";
  }
  if (world.broadcast(broken, 0).empty() && world.world_size() > 1) {
    examine_sums(world, core::usable_device(device), options.mib, report);
    examine_clocks(world, report);
  }
  examine_folder(world, options.folder, report);
  if (world.is_root()) {
    report.text += report.problems.empty() ? "\nall is well\n" : "";
  }
  const std::string first =
      world.broadcast(report.problems.empty() ? "" : report.problems.front(), 0);
  if (!world.is_root() && !first.empty()) report.problems = {first};
  return {std::move(report.text), std::move(report.problems)};
}

}  // namespace unfold::cli::doctor
