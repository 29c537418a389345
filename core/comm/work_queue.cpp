#include "core/comm/work_queue.h"

#include <chrono>
#include <utility>

namespace unfold::core {

WorkQueue::~WorkQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::int64_t WorkQueue::give(std::function<void()> work) {
  std::int64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    number = ++given_;
  }
  changed_.notify_all();
  return number;
}

void WorkQueue::wait(std::int64_t number) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_ >= number || error_; });
  if (done_ < number) std::rethrow_exception(error_);
}

void WorkQueue::check() {
  const std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
}

double WorkQueue::take_seconds() {
  const std::lock_guard lock(mutex_);
  return std::exchange(seconds_, 0);
}

void WorkQueue::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || !work_.empty(); });
    if (work_.empty()) return;
    const std::function<void()> work = std::move(work_.front());
    work_.pop_front();
    if (error_) continue;
    lock.unlock();
    std::exception_ptr error;
    const auto begin = std::chrono::steady_clock::now();
    try {
      work();
    } catch (...) {
      error = std::current_exception();
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    lock.lock();
    seconds_ += taken.count();
    if (error) {
      error_ = error;
    } else {
      ++done_;
    }
    changed_.notify_all();
  }
}

}  // namespace unfold::core
