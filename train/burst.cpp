#include "train/burst.h"

namespace unfold::train {
namespace {

// So much is computed, at the least, while a byte goes out and another comes in. Two H200s exchange
// 290 GB/s by themselves and about 125 GB/s beside products of 400 TFLOP/s, which is 3200; about
// twice that keeps what differs between models and devices from showing.
constexpr double kFlopPerByte = 6000;
constexpr double kFlopPerWeight = 4;  // of a position: the gradients of input and weight

}  // namespace

std::size_t held_back(const std::vector<BucketWork>& buckets, std::int64_t positions,
                      int world_size) {
  double bytes = 0;
  double flop = 0;  // behind the buckets that are held back
  for (const BucketWork& bucket : buckets) {
    bytes += static_cast<double>(bucket.bytes);
    flop += kFlopPerWeight * static_cast<double>(bucket.weights) * static_cast<double>(positions);
  }
  // A rank sends its parts of the other shares, and the sum of its own share to all others.
  const double sent = bytes * 2 * (world_size - 1) / world_size;
  std::size_t held = 0;
  while (held < buckets.size() && flop > kFlopPerByte * sent) {
    flop -= kFlopPerWeight * static_cast<double>(buckets[held++].weights) *
            static_cast<double>(positions);
  }
  return held;
}

}  // namespace unfold::train
