// Runs the built program as a user would: through a shell.
#pragma once

#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace unfold::cli {

struct ProgramResult {
  int code = -1;  // exit code; 128 + n when killed by signal n
  std::string out;
  std::string err;

  // Exactly one line, with its line break.
  bool err_is_one_line() const { return !err.empty() && err.find('\n') == err.size() - 1; }
};

// An empty folder of its own for a test, removed at the end.
class TestFolder {
 public:
  explicit TestFolder(std::string_view name)
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("unfold_{}_{}", name, ::getpid())) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // Writes a file and returns its path.
  std::string write(std::string_view name, std::string_view text) const {
    const std::filesystem::path file = path_ / name;
    std::ofstream(file, std::ios::binary) << text;
    return file.string();
  }

 private:
  std::filesystem::path path_;
};

// arguments: shell text behind the program's name; may redirect streams of its own.
// before: shell commands in front of it, e.g. "ulimit -f 1;".
inline ProgramResult run_unfold(std::string_view arguments, std::string_view before = "") {
  const TestFolder folder("program");
  const auto slurp = [&](const char* name) {
    std::ifstream in(folder.path() / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string command =
      fmt::format("{{ {} '{}' {} ; }} >'{}/out' 2>'{}/err' </dev/null", before, UNFOLD_PROGRAM,
                  arguments, folder.path().string(), folder.path().string());
  const int status = std::system(command.c_str());
  ProgramResult result;
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = slurp("out");
  result.err = slurp("err");
  return result;
}

}  // namespace unfold::cli
