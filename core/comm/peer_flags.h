// Flags between the GPUs of one host: words of shared host memory that streams write and wait for.
//
// Waiting takes no multiprocessor: the GPU's front end looks at the word until it is there
// (cuStreamWaitValue32). A flag is written when the work in front of it on its stream is done and
// can be seen by all GPUs.
#pragma once

#include <memory>
#include <utility>

#include "core/comm/peer_order.h"
#include "core/comm/shared_words.h"
#include "core/cuda/side_stream.h"

namespace unfold::core {

class PeerFlags {
 public:
  // Shows the words to the device. Null where the driver or the device can't.
  static std::unique_ptr<PeerFlags> make(SharedWords words, int device);
  ~PeerFlags();
  PeerFlags(const PeerFlags&) = delete;
  PeerFlags& operator=(const PeerFlags&) = delete;

  // What the stream is given from now on begins when the flag has reached its value.
  void wait(const cuda::SideStream& stream, const PeerFlag& flag) const;
  void write(const cuda::SideStream& stream, const PeerFlag& flag) const;
  SharedWords& words() { return words_; }

 private:
  explicit PeerFlags(SharedWords words) : words_(std::move(words)) {}

  SharedWords words_;
  void* device_memory_ = nullptr;  // where the device sees the words; null: it does not
  void* wait_value_ = nullptr;     // functions of the driver
  void* write_value_ = nullptr;
};

}  // namespace unfold::core
