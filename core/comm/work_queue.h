// A thread that does work in the order it is given.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace unfold::core {

class WorkQueue {
 public:
  WorkQueue() : thread_([this] { run(); }) {}
  ~WorkQueue();  // finishes what was given
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // The number of this piece of work, from 1.
  std::int64_t give(std::function<void()> work);
  // Waits until the work of this number and all before it is done. Throws what one of them threw;
  // work behind it was not begun then, nor will any be.
  void wait(std::int64_t number);
  // Throws what a piece of work threw, if one did.
  void check();
  // Seconds spent working since the last call.
  double take_seconds();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  std::int64_t given_ = 0;
  std::int64_t done_ = 0;
  double seconds_ = 0;
  std::exception_ptr error_;
  bool ending_ = false;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace unfold::core
