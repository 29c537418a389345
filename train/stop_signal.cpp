#include "train/stop_signal.h"

#include <csignal>

namespace unfold::train {
namespace {

volatile std::sig_atomic_t g_received = 0;

extern "C" void remember_signal(int signal) { g_received = signal; }

void set_handler(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART | (handler == SIG_DFL ? 0 : static_cast<int>(SA_RESETHAND));
  sigaction(signal, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal() {
  g_received = 0;
  set_handler(SIGINT, remember_signal);
  set_handler(SIGTERM, remember_signal);
}

StopSignal::~StopSignal() {
  set_handler(SIGINT, SIG_DFL);
  set_handler(SIGTERM, SIG_DFL);
}

int StopSignal::received() const { return g_received; }

}  // namespace unfold::train
