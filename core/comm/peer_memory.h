// GPU memory that the processes of one host show each other (CUDA IPC): the buffers of
// core/comm/peer_exchange.h.
//
// Every rank has kPeerSets sets of as many slots as there are ranks. Slot q of a set is the part of
// the inbox that rank q fills; the rank's own slot, which nobody fills, is the outbox.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace unfold::core {

class PeerMemory {
 public:
  // slot_bytes: a multiple of 4096.
  PeerMemory(int device, int rank, int world_size, std::size_t slot_bytes);
  ~PeerMemory();  // close(), and gives the block back: no other rank may have it open any more
  PeerMemory(const PeerMemory&) = delete;
  PeerMemory& operator=(const PeerMemory&) = delete;

  // Takes this rank's block. False where there is none that can be shown.
  bool allocate();
  // For the others: texts of one length.
  std::string handle() const;
  // Opens the blocks of all other ranks, by what their handle() said. False where one can't be
  // reached.
  bool open(const std::vector<std::string>& handles);
  // Lets go of the others' blocks. Nothing may use them any more.
  void close();

  std::size_t slot_bytes() const { return slot_bytes_; }
  // As this process sees them: where `from` pushes to, and where the owner leaves its sums.
  char* inbox(int owner, std::size_t set, int from) const;
  char* outbox(int owner, std::size_t set) const { return inbox(owner, set, owner); }

 private:
  int device_, rank_, world_size_;
  std::size_t slot_bytes_;
  std::vector<void*> blocks_;  // one a rank; null: not there
};

}  // namespace unfold::core
