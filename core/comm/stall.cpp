#include "core/comm/stall.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

namespace unfold::core {
namespace {

constexpr std::size_t kNumbers = 2 * sizeof(std::uint64_t) + 1;

}  // namespace

std::string Pulse::encode() const {
  std::string bytes(kNumbers, '\0');
  std::memcpy(bytes.data(), &moves, sizeof moves);
  std::memcpy(bytes.data() + sizeof moves, &collectives, sizeof collectives);
  bytes[kNumbers - 1] = waiting ? 1 : 0;
  return bytes + busy;
}

std::optional<Pulse> Pulse::decode(const std::string& bytes) {
  if (bytes.size() < kNumbers) return std::nullopt;
  Pulse pulse;
  std::memcpy(&pulse.moves, bytes.data(), sizeof pulse.moves);
  std::memcpy(&pulse.collectives, bytes.data() + sizeof pulse.moves, sizeof pulse.collectives);
  pulse.waiting = bytes[kNumbers - 1] != 0;
  pulse.busy = bytes.substr(kNumbers);
  return pulse;
}

StallJudge::StallJudge(int ranks, double patience, double now)
    : ranks_(static_cast<std::size_t>(ranks)), patience_(patience) {
  for (Rank& rank : ranks_) rank.heard = rank.moved = now;
}

void StallJudge::heard(int rank, const Pulse& pulse, double now) {
  Rank& known = ranks_[static_cast<std::size_t>(rank)];
  const bool news = pulse.moves != known.pulse.moves || pulse.busy != known.pulse.busy ||
                    pulse.waiting != known.pulse.waiting;
  if (news) known.moved = now;
  known.heard = now;
  known.pulse = pulse;
}

std::optional<StallJudge::Verdict> StallJudge::hanging(double now) const {
  bool anyone_waits = false;
  const Rank* last = nullptr;  // of those that stand still: the one that got least far
  std::uint64_t farthest = 0;
  for (const Rank& rank : ranks_) {
    if (rank.gone) continue;
    // As long as one is busy or gets on, the others may have to wait for it.
    if (!rank.pulse.busy.empty() || now - rank.moved < patience_) return std::nullopt;
    anyone_waits = anyone_waits || rank.pulse.waiting;
    farthest = std::max(farthest, rank.pulse.collectives);
    const auto order = [](const Rank& r) {
      return std::pair(r.pulse.collectives, r.pulse.waiting);
    };
    if (last == nullptr || order(rank) < order(*last)) last = &rank;
  }
  if (!anyone_waits || last == nullptr) return std::nullopt;
  const auto index = static_cast<int>(last - ranks_.data());
  const double seconds = now - last->moved;
  if (last->pulse.waiting && last->pulse.collectives == farthest) {
    return Verdict{
        index, seconds,
        fmt::format("nothing has come through between the ranks for {:.0f} s, though all "
                    "of them wait: the network or a GPU hangs",
                    seconds)};
  }
  return Verdict{
      index, seconds,
      fmt::format("hangs: it has not moved for {:.0f} s, and the others wait for it", seconds)};
}

std::optional<StallJudge::Verdict> StallJudge::silent(double now, double seconds) const {
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    const double since = now - ranks_[i].heard;
    if (ranks_[i].gone || since < seconds) continue;
    return Verdict{
        static_cast<int>(i), since,
        fmt::format("has not been heard of for {:.0f} s: it is stopped, its host is down "
                    "or its network is cut",
                    since)};
  }
  return std::nullopt;
}

}  // namespace unfold::core
