// Counter-based random numbers for the order of data and for synthetic text: the i-th number is a
// pure function of a key and i, in integer arithmetic alone, hence the same on every platform.
// (The standard library's distributions and std::shuffle differ between implementations.)
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>

namespace unfold::data {

// Mixes 64 bits; the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

class CounterRandom {
 public:
  // The parts of the key are ordered: {a, b} and {b, a} are different streams.
  constexpr explicit CounterRandom(std::initializer_list<std::uint64_t> key) {
    for (const std::uint64_t part : key) key_ = mix64(key_ + kGamma + part * kOdd);
  }

  constexpr std::uint64_t next() { return mix64(key_ + ++counter_ * kGamma); }

  // Uniform in [0, n), n > 0. Exact: numbers of the incomplete last round are drawn again.
  constexpr std::uint64_t below(std::uint64_t n) {
    const std::uint64_t incomplete = (~std::uint64_t{0} % n + 1) % n;
    std::uint64_t x = next();
    while (x > ~incomplete) x = next();
    return x % n;
  }

  // Fisher-Yates.
  template <typename T>
  constexpr void shuffle(std::span<T> values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }

 private:
  static constexpr std::uint64_t kGamma = 0x9e3779b97f4a7c15u;
  static constexpr std::uint64_t kOdd = 0xd1342543de82ef95u;
  std::uint64_t key_ = 0;
  std::uint64_t counter_ = 0;
};

}  // namespace unfold::data
