#include "cli/bench/torch_peer.h"

#include <fmt/core.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/bench/model.h"
#include "core/parallel.h"

namespace unfold::cli::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kScript = "scripts/bench/torch_step.py";

std::string shell_word(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

struct Output {
  bool succeeded = false;
  std::string text;
};

// Standard output of a shell command; its errors are dropped.
Output run(const std::string& command) {
  Output output;
  std::FILE* pipe = ::popen((command + " 2>/dev/null </dev/null").c_str(), "r");
  if (pipe == nullptr) return output;
  std::array<char, 4096> buffer;
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.text.append(buffer.data(), count);
  }
  const int status = ::pclose(pipe);
  output.succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return output;
}

// Below the working directory, or in the source tree the program was built in
// (BUILD/PRESET/unfold).
std::string find_script() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const fs::path& root : {fs::path("."), program / ".." / ".."}) {
    if (fs::is_regular_file(root / kScript, ignored)) return (root / kScript).string();
  }
  return "";
}

}  // namespace

TorchPeer::TorchPeer() : script_(find_script()) {
  const char* wanted = std::getenv("UNFOLD_TORCH_PYTHON");
  python_ = wanted != nullptr && *wanted != '\0' ? wanted : "python3";
  if (script_.empty()) {
    missing_ = fmt::format("{} is not here: run from the source folder", kScript);
  } else if (!run(shell_word(python_) + " -c 'import torch'").succeeded) {
    missing_ = fmt::format(
        "{} cannot import torch: set UNFOLD_TORCH_PYTHON to an interpreter that can", python_);
  }
}

std::optional<TorchStep> TorchPeer::time_step(std::int64_t chunk, double seconds, int least) {
  if (!available()) return std::nullopt;
  const models::DecoderConfig model = model_config();
  const Output output = run(fmt::format(
      "{} {} --vocab {} --width {} --layers {} --heads {} --kv-heads {} --head-width {} --ffn {} "
      "--rows {} --length {} --chunk {} --threads {} --seconds {} --least {}",
      shell_word(python_), shell_word(script_), model.vocab_size, model.width, model.layers,
      model.heads, model.kv_heads, model.head_width(), model.ffn, kRows, kRowLength, chunk,
      core::thread_count(), seconds, least));
  const nlohmann::json step = nlohmann::json::parse(output.text, nullptr, false);
  try {
    if (output.succeeded) {
      return TorchStep{step.at("attention"), step.at("seconds"), step.at("cpu_seconds"),
                       step.at("version")};
    }
  } catch (const nlohmann::json::exception&) {  // falls through: not what the script prints
  }
  missing_ = fmt::format("{} {} failed", python_, script_);
  return std::nullopt;
}

Section torch_section(const std::vector<StepTime>& ours,
                      const std::vector<std::optional<TorchStep>>& torch, const TorchPeer& peer) {
  Section section;
  section.key = "torch";
  section.title = fmt::format("the same step in PyTorch, {} threads", core::thread_count());
  section.columns = {
      {"attention", "attention"},         {"ms", "ms/step"},    {"torch_ms", "PyTorch's"},
      {"speedup", "times as fast", 2},    {"cpu_ms", "CPU ms"}, {"torch_cpu_ms", "PyTorch's"},
      {"cpu_speedup", "times as fast", 2}};
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (!torch[i]) continue;
    section.rows.push_back({ours[i].attention, ours[i].seconds * 1e3, torch[i]->seconds * 1e3,
                            torch[i]->seconds / ours[i].seconds, ours[i].cpu_seconds * 1e3,
                            torch[i]->cpu_seconds * 1e3,
                            torch[i]->cpu_seconds / ours[i].cpu_seconds});
    section.notes = {fmt::format("PyTorch {}; gists under a dense mask there", torch[i]->version)};
  }
  if (!peer.available()) section.notes.push_back(peer.missing());
  return section;
}

}  // namespace unfold::cli::bench
