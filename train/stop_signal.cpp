#include "train/stop_signal.h"

#include <csignal>
#include <initializer_list>

namespace unfold::train {
namespace {

volatile std::sig_atomic_t g_received = 0;

void set_handlers(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal : kStopSignals) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    if (signal == SIGHUP && before.sa_handler == SIG_IGN) continue;
    sigaction(signal, &action, nullptr);
  }
}

extern "C" void remember_signal(int signal) {
  g_received = signal;
  set_handlers(SIG_DFL);  // the next one of either kind ends the process
}

}  // namespace

StopSignal::StopSignal() {
  g_received = 0;
  set_handlers(remember_signal);
}

StopSignal::~StopSignal() {
  set_handlers(SIG_DFL);
}

int StopSignal::received() const {
  return g_received;
}

}  // namespace unfold::train
