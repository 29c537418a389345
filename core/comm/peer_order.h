// The order in which ranks use each other's buffers (core/comm/peer_exchange.h): which flags a step
// waits for, and which it sets. Nothing but numbers.
//
// Pieces are numbered from 1 on, alike on all ranks, and take turns with kPeerSets sets of buffers.
// A flag is a word that one rank writes and that only grows: the number of the last piece for which
// the rank has done
//   sent(from, to)    the push into `to`'s inbox
//   summed(rank)      the sum: its inbox has been read, its outbox holds the sum
//   pulled(by, from)  the reading of `from`'s outbox
// Flags hold the lowest 32 bits of numbers, and are compared around the clock: a flag has reached a
// value when it is less than 2^31 in front of it. Before the first piece it is 0, or anything
// less than 2^31 behind.
//
// Every step waits only for steps of earlier pieces, or for earlier steps (push, sum, pull) of the
// same one. So whatever order is forced upon the steps of a rank on top of that, as long as it is
// theirs (the GPU may run two streams one after the other), no ring of waits can close.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace unfold::core {

inline constexpr std::size_t kPeerSets = 3;

struct PeerFlag {
  std::size_t word = 0;
  std::uint32_t value = 0;  // to be reached, or to be written
  bool reached_by(std::uint32_t now) const { return static_cast<std::int32_t>(now - value) >= 0; }
  bool operator==(const PeerFlag&) const = default;
};

// Where flags lie.
struct PeerWords {
  int world_size = 0;

  std::size_t count() const { return index(2 * world_size + 1, 0); }
  std::size_t summed(int rank) const { return index(0, rank); }
  std::size_t sent(int from, int to) const { return index(1 + from, to); }
  std::size_t pulled(int by, int from) const { return index(1 + world_size + by, from); }

 private:
  std::size_t index(int row, int column) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(world_size) +
           static_cast<std::size_t>(column);
  }
};

// The steps of one piece on one rank. Other ranks: all but this one.
struct PeerPiece {
  PeerWords words;
  int rank = 0;
  std::uint64_t number = 0;
  bool spreads = false;         // an all-reduce: sums go through outboxes
  std::uint64_t spread_by = 0;  // the last piece whose sums went through this outbox; 0: none

  std::size_t set() const { return static_cast<std::size_t>(number % kPeerSets); }

  // `to` has read what lay in that set of its inbox.
  std::vector<PeerFlag> before_push(int to) const {
    if (number <= kPeerSets) return {};
    return {{words.summed(to), low(number - kPeerSets)}};
  }
  PeerFlag after_push(int to) const { return {words.sent(rank, to), low(number)}; }

  // All have sent, and nobody reads the outbox any more.
  std::vector<PeerFlag> before_sum() const {
    std::vector<PeerFlag> flags;
    for (int peer = 0; peer < words.world_size; ++peer) {
      if (peer == rank) continue;
      flags.push_back({words.sent(peer, rank), low(number)});
      if (spreads && spread_by > 0) flags.push_back({words.pulled(peer, rank), low(spread_by)});
    }
    return flags;
  }
  PeerFlag after_sum() const { return {words.summed(rank), low(number)}; }

  // `from` has its sum, and so had this rank's push, which read where the sum goes now.
  PeerFlag before_pull(int from) const { return {words.summed(from), low(number)}; }
  PeerFlag after_pull(int from) const { return {words.pulled(rank, from), low(number)}; }

 private:
  static std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
};

class PeerOrder {
 public:
  // last: the number before the first one.
  PeerOrder(int rank, int world_size, std::uint64_t last = 0)
      : rank_(rank), words_{world_size}, last_(last) {}

  const PeerWords& words() const { return words_; }
  PeerPiece next(bool spreads) {
    PeerPiece piece{words_, rank_, ++last_, spreads, 0};
    std::uint64_t& spread = spread_[piece.set()];
    piece.spread_by = spread;
    if (spreads) spread = piece.number;
    return piece;
  }

 private:
  int rank_;
  PeerWords words_;
  std::uint64_t last_;
  std::array<std::uint64_t, kPeerSets> spread_ = {};
};

}  // namespace unfold::core
