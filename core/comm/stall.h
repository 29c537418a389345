// Which rank hangs, told from what all ranks say of themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace unfold::core {

// What a rank says of itself, about once a second.
struct Pulse {
  std::uint64_t moves = 0;        // grows while the rank gets on
  std::uint64_t collectives = 0;  // begun so far: the same on all ranks that are at the same place
  bool waiting = false;           // for other ranks, or for a device that may wait for them
  std::string busy;               // something that takes long; empty: nothing

  std::string encode() const;
  // Nothing for bytes that are no pulse.
  static std::optional<Pulse> decode(const std::string& bytes);
};

// Judges the pulses. Times are seconds of any one clock.
class StallJudge {
 public:
  StallJudge(int ranks, double patience, double now);

  void heard(int rank, const Pulse& pulse, double now);
  struct Verdict {
    int rank = 0;
    double seconds = 0;
    std::string why;
  };
  // A rank that has stood still for `patience` seconds without being busy with something long,
  // while another has waited all that time.
  std::optional<Verdict> hanging(double now) const;
  // A rank that has not been heard of for so long.
  std::optional<Verdict> silent(double now, double seconds) const;
  void forget(int rank) { ranks_[static_cast<std::size_t>(rank)].gone = true; }

 private:
  struct Rank {
    Pulse pulse;
    double heard = 0;  // last pulse
    double moved = 0;  // last one with news
    bool gone = false;
  };
  std::vector<Rank> ranks_;
  double patience_;
};

}  // namespace unfold::core
