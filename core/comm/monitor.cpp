#include "core/comm/monitor.h"

#include <poll.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <utility>

#include "core/error.h"

namespace unfold::core {
namespace {

constexpr double kConnectSeconds = 45;
constexpr double kAnswerSeconds = 5;  // for rank 0 to hear of a failure
constexpr double kGoodbyeSeconds = 10;
// A rank that ends because of another one waits so long for that one to tell people, and goes on
// for so long when rank 0 is gone: launchers kill all other ranks when one ends with an error.
constexpr double kTellSeconds = 2;
constexpr double kLingerSeconds = 0.2;
constexpr int kPollMilliseconds = 100;

std::string random_token() {
  std::uint64_t words[2] = {};
  if (::getrandom(words, sizeof words, 0) != static_cast<ssize_t>(sizeof words)) {
    words[0] = static_cast<std::uint64_t>(
        std::chrono::high_resolution_clock::now().time_since_epoch().count());
  }
  return fmt::format("{:016x}{:016x}", words[0], words[1]);
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    if (end != 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return words;
}

void write_line(const std::string& line) {
  std::string text = line;
  std::replace(text.begin(), text.end(), '\n', ' ');
  text += '\n';
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

Monitor::Monitor(MonitorOptions options)
    : options_(std::move(options)), peers_(static_cast<std::size_t>(options_.world_size)) {
  if (!options_.end_process) options_.end_process = [](int code) { ::_exit(code); };
  if (!options_.say) options_.say = write_line;
  health_ = options_.health;
  if (options_.rank != 0) return;
  token_ = random_token();
  listener_ = std::make_unique<Listener>();
}

Monitor::~Monitor() {
  ending_ = true;
  if (thread_.joinable()) thread_.join();
}

double Monitor::now() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string Monitor::invitation() const {
  std::string text = fmt::format("{} {}", token_, listener_->port());
  for (const std::string& address : own_addresses(options_.interfaces)) text += " " + address;
  return text;
}

void Monitor::start(const std::string& invitation) {
  options_.rank == 0 ? accept_all() : connect(invitation);
  judge_ = std::make_unique<StallJudge>(options_.world_size, options_.patience, now());
  thread_ = std::thread([this] { run(); });
}

void Monitor::accept_all() {
  const double end = now() + kConnectSeconds;
  std::vector<Wire> strangers;
  const auto missing = [&] {
    std::vector<std::size_t> ranks;
    for (std::size_t i = 1; i < peers_.size(); ++i) {
      if (!peers_[i].wire.open()) ranks.push_back(i);
    }
    return ranks;
  };
  for (auto absent = missing(); !absent.empty(); absent = missing()) {
    require(now() < end, "ranks",
            "rank {} could not connect to rank 0 ({}) on TCP port {} within {:.0f} s: open the "
            "ports between the hosts, name the network in UNFOLD_COMM_INTERFACE, or set "
            "UNFOLD_COMM_WATCH=0",
            absent.front(), options_.name, listener_->port(), kConnectSeconds);
    pollfd poll = {listener_->descriptor(), POLLIN, 0};
    ::poll(&poll, 1, 5);
    if (Socket socket = listener_->accept(); socket.open())
      strangers.emplace_back(std::move(socket));
    for (Wire& wire : strangers) {
      std::vector<Frame> frames;
      if (!wire.open()) continue;
      if (!wire.receive(frames)) wire.close();
      if (frames.empty()) continue;
      const Frame& hello = frames.front();
      const bool ours = hello.kind == FrameKind::hello && hello.number > 0 &&
                        hello.number < options_.world_size && hello.text.starts_with(token_ + " ");
      if (!ours) {
        wire.close();
        continue;
      }
      Peer& peer = peers_[static_cast<std::size_t>(hello.number)];
      peer.name = hello.text.substr(token_.size() + 1);
      peer.wire = std::exchange(wire, Wire());
      peer.wire.send({FrameKind::hello, 0, options_.name});
    }
  }
  listener_.reset();
}

void Monitor::connect(const std::string& invitation) {
  std::vector<std::string> words = split(invitation);
  check(words.size() >= 3, "ranks", "an invitation of {} words", words.size());
  int port = 0;
  std::from_chars(words[1].data(), words[1].data() + words[1].size(), port);
  const std::vector<std::string> addresses(words.begin() + 2, words.end());
  Wire wire(connect_to(addresses, port, kConnectSeconds));
  require(
      wire.open(), "ranks",
      "rank {} ({}) cannot reach rank 0 at {} on TCP port {}: open the ports between the hosts, "
      "name the network in UNFOLD_COMM_INTERFACE, or set UNFOLD_COMM_WATCH=0",
      options_.rank, options_.name, addresses.front(), port);
  wire.send({FrameKind::hello, options_.rank, words[0] + " " + options_.name});
  peers_[0].name = "at " + addresses.front();
  peers_[0].wire = std::move(wire);
}

void Monitor::set_busy(const char* what) {
  busy_ = what;
  move();
}

void Monitor::set_health(std::function<std::string()> health) {
  const std::lock_guard lock(mutex_);
  health_ = std::move(health);
}

Monitor::End Monitor::end() const {
  const std::lock_guard lock(mutex_);
  return end_.value_or(End{});
}

Monitor::End Monitor::fail(const std::string& why, int code) {
  std::unique_lock lock(mutex_);
  if (!end_) failure_ = End{why, code, false};
  const auto patience = std::chrono::duration<double>(kAnswerSeconds);
  changed_.wait_for(lock, patience, [this] { return end_.has_value(); });
  if (!end_) end_ = End{why, code, false};
  return *end_;
}

void Monitor::goodbye() {
  leaving_ = true;
  if (thread_.joinable()) thread_.join();
}

std::string Monitor::name_of(int rank) const {
  if (rank == options_.rank) return fmt::format("rank {} ({})", rank, options_.name);
  return fmt::format("rank {} ({})", rank, peers_[static_cast<std::size_t>(rank)].name);
}

void Monitor::run() {
  double next_beat = 0;
  double leave_by = 0;
  while (!ending_ || lingers(now())) {
    const double time = now();
    if (time >= next_beat) {
      beat(time);
      next_beat = time + options_.beat;
    }
    listen(time);
    judge(time);
    if (stopped()) {
      if (leaving_) return;
      if (time - stopped_at_ > options_.grace) {
        options_.end_process(end().code);
        return;
      }
      continue;
    }
    if (!leaving_) continue;
    if (leave_by == 0) {
      leave_by = time + kGoodbyeSeconds;
      for (Peer& peer : peers_) {
        if (peer.wire.open()) peer.wire.send({FrameKind::bye, options_.rank, ""});
      }
    }
    const bool all_left = std::all_of(peers_.begin(), peers_.end(), [](const Peer& peer) {
      return !peer.wire.open() || (peer.gone && peer.wire.sent());
    });
    if (all_left || time > leave_by) return;
  }
}

bool Monitor::lingers(double time) {
  if (!stopped() || !told_elsewhere_) return false;
  if (peers_[0].wire.open()) alone_since_ = time;
  return time - stopped_at_ < kTellSeconds && time - alone_since_ < kLingerSeconds;
}

void Monitor::beat(double time) {
  Pulse pulse;
  pulse.moves = moves_;
  pulse.collectives = collectives_;
  pulse.waiting = waiting_ > 0;
  if (const char* const busy = busy_) pulse.busy = busy;
  judge_->heard(options_.rank, pulse, time);
  for (Peer& peer : peers_) {
    // A peer that does not take its words gets no more of them: they would pile up.
    if (peer.wire.open() && peer.wire.sent()) {
      peer.wire.send({FrameKind::beat, options_.rank, pulse.encode()});
    }
  }
}

void Monitor::listen(double time) {
  std::vector<pollfd> polls;
  std::vector<int> ranks;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    if (!peers_[i].wire.open()) continue;
    const short wanted = peers_[i].wire.sent() ? POLLIN : POLLIN | POLLOUT;
    polls.push_back({peers_[i].wire.descriptor(), wanted, 0});
    ranks.push_back(static_cast<int>(i));
  }
  ::poll(polls.data(), polls.size(), kPollMilliseconds);
  for (std::size_t i = 0; i < polls.size(); ++i) {
    if (polls[i].revents == 0) continue;
    Wire& wire = peers_[static_cast<std::size_t>(ranks[i])].wire;
    bool alive = wire.flush();
    std::vector<Frame> frames;
    alive = wire.receive(frames) && alive;
    hear(ranks[i], frames, time);
    if (!alive) lost(ranks[i]);
  }
}

void Monitor::hear(int rank, const std::vector<Frame>& frames, double time) {
  Peer& peer = peers_[static_cast<std::size_t>(rank)];
  for (const Frame& frame : frames) {
    switch (frame.kind) {
      case FrameKind::beat:
        if (const auto pulse = Pulse::decode(frame.text)) judge_->heard(rank, *pulse, time);
        break;
      case FrameKind::bye:
        peer.gone = true;
        judge_->forget(rank);
        break;
      case FrameKind::failed:
        stop(fmt::format("{} failed: {}", name_of(rank), frame.text), frame.number, Told::here);
        break;
      case FrameKind::stop:
        peer.wire.send({FrameKind::bye, options_.rank, ""});
        stop(frame.text, frame.number, Told::elsewhere);
        break;
      case FrameKind::hello:
        peer.name = frame.text;
        break;
    }
  }
}

void Monitor::lost(int rank) {
  Peer& peer = peers_[static_cast<std::size_t>(rank)];
  peer.wire.close();
  if (peer.gone) return;
  peer.gone = true;
  judge_->forget(rank);
  stop(fmt::format("{} ended without a word: it was killed or crashed", name_of(rank)),
       kRankLostCode, Told::here);
}

void Monitor::judge(double time) {
  if (stopped()) return;
  std::optional<End> failure;
  std::string sick;
  {
    const std::lock_guard lock(mutex_);
    failure = std::exchange(failure_, std::nullopt);
    if (health_) sick = health_();
  }
  if (failure) {
    // Rank 0 tells the others, and people itself; others tell rank 0, whose word comes back.
    if (options_.rank == 0 || !peers_[0].wire.open()) {
      stop(fmt::format("{} failed: {}", name_of(options_.rank), failure->why), failure->code,
           Told::not_yet);
    } else {
      peers_[0].wire.send({FrameKind::failed, failure->code, failure->why});
    }
    return;
  }
  if (!sick.empty()) {
    if (options_.rank == 0 || !peers_[0].wire.open()) {
      stop(fmt::format("{}: {}", name_of(options_.rank), sick), kRankLostCode, Told::here);
    } else {
      peers_[0].wire.send({FrameKind::failed, kRankLostCode, sick});
    }
    return;
  }
  if (options_.rank == 0) {
    auto verdict = judge_->silent(time, options_.silence);
    if (!verdict) verdict = judge_->hanging(time);
    if (verdict) {
      stop(fmt::format("{} {}", name_of(verdict->rank), verdict->why), kRankLostCode, Told::here);
    }
    return;
  }
  // The others know of rank 0 alone; only their own words would make them stall.
  const auto verdict = judge_->silent(time, options_.silence);
  if (verdict && verdict->rank == 0) {
    stop(fmt::format("{} {}", name_of(0), verdict->why), kRankLostCode, Told::here);
  }
}

void Monitor::stop(const std::string& why, int code, Told told) {
  if (stopped()) return;
  if (told == Told::here) options_.say(fmt::format("[ranks] {}: all ranks stop", why));
  if (options_.rank == 0) {
    for (Peer& peer : peers_) {
      if (peer.wire.open()) peer.wire.send({FrameKind::stop, code, why});
    }
  }
  told_elsewhere_ = told == Told::elsewhere;
  {
    const std::lock_guard lock(mutex_);
    stopped_at_ = alone_since_ = now();
    end_ = End{why, code, told != Told::not_yet};
  }
  stopped_.store(true, std::memory_order_release);
  changed_.notify_all();
}

}  // namespace unfold::core
