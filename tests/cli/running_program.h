// The program in the background: to be watched, signalled and waited for.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace unfold::cli {

class RunningProgram {
 public:
  // Standard output is thrown away, standard error goes to a file. One OpenMP thread: small models
  // gain nothing from more, and waiting threads would disturb other tests.
  // launcher: words in front of the program, as mpirun and its options.
  RunningProgram(const std::vector<std::string>& arguments, const std::string& err_file,
                 std::vector<std::string> launcher = {}) {
    std::vector<std::string> words = std::move(launcher);
    words.emplace_back(UNFOLD_PROGRAM);
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::setenv("OMP_NUM_THREADS", "1", 1);
      ::dup2(::open("/dev/null", O_RDWR), STDIN_FILENO);
      ::dup2(STDIN_FILENO, STDOUT_FILENO);
      ::dup2(::open(err_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666), STDERR_FILENO);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
  }
  ~RunningProgram() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  void signal(int number) const { ::kill(pid_, number); }
  ::pid_t pid() const { return pid_; }

  // Waits for the end: the exit code, or minus the signal that killed it.
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  // Polls until the condition holds. False, and a failed test, when the program ended before, or
  // after a minute.
  bool wait_until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (std::chrono::steady_clock::now() < end) {
      if (condition()) return true;
      siginfo_t info = {};
      ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
      if (info.si_pid != 0) break;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    if (condition()) return true;
    ADD_FAILURE() << "the program ended, or a minute passed, before what was waited for";
    return false;
  }

 private:
  ::pid_t pid_ = -1;
};

}  // namespace unfold::cli
