// Elements as a thread takes them: 16 bytes at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "core/cuda/scalar.cuh"
#include "core/tensor.h"

namespace unfold::core::kernels::cuda {

// Elements of T in 16 bytes.
template <typename T>
inline constexpr int kPack = 16 / static_cast<int>(sizeof(T));

// N neighbouring elements in registers.
template <typename T, int N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Pack {
  T at[N];
  __device__ T& operator[](int i) { return at[i]; }
  __device__ const T& operator[](int i) const { return at[i]; }
};

// Elements of two bytes lie in words, two in each: as members of their own every one would take a
// register, and each copy of a pack would take it apart and put it together again.
template <int N>
requires(N % 2 == 0) struct alignas(N * 2 < 16 ? N * 2 : 16) Pack<bfloat16, N> {
  unsigned words[N / 2];

  class Element {
   public:
    __device__ Element(unsigned& word, int shift) : word_(word), shift_(shift) {}
    __device__ Element& operator=(bfloat16 value) {
      word_ = (word_ & ~(0xffffu << shift_)) | static_cast<unsigned>(value.bits) << shift_;
      return *this;
    }
    __device__ operator bfloat16() const {
      bfloat16 value;
      value.bits = static_cast<std::uint16_t>(word_ >> shift_);
      return value;
    }

   private:
    unsigned& word_;
    int shift_;
  };
  __device__ Element operator[](int i) { return Element(words[i / 2], i % 2 * 16); }
  __device__ bfloat16 operator[](int i) const {
    bfloat16 value;
    value.bits = static_cast<std::uint16_t>(words[i / 2] >> (i % 2 * 16));
    return value;
  }
};

// A whole pack. Spelled out, because the compiler takes the assignment of a Pack apart into stores
// of its elements, of two or four bytes each.
template <typename T, int N>
__device__ inline void store_words(T* to, const Pack<T, N>& pack) {
  constexpr int kBytes = N * sizeof(T);
  if constexpr (kBytes % 16 == 0) {
#pragma unroll
    for (int i = 0; i < kBytes / 16; ++i) {
      const uint4 word = reinterpret_cast<const uint4*>(&pack)[i];
      asm volatile("st.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(reinterpret_cast<uint4*>(to) + i),
                   "r"(word.x), "r"(word.y), "r"(word.z), "r"(word.w)
                   : "memory");
    }
  } else if constexpr (kBytes == 8) {
    const uint2 word = *reinterpret_cast<const uint2*>(&pack);
    asm volatile("st.v2.b32 [%0], {%1, %2};" ::"l"(to), "r"(word.x), "r"(word.y) : "memory");
  } else {
    *reinterpret_cast<Pack<T, N>*>(to) = pack;
  }
}

// The elements [0, N) at `from`, of which `count` exist; the rest is zero. kAligned promises that
// `from` is aligned as Pack is; without it elements are read one by one, which gives the same
// values at the same places: results do not depend on alignment.
template <int N, bool kAligned, typename T>
__device__ inline Pack<T, N> load(const T* from, std::int64_t count = N) {
  if (kAligned && count >= N) return *reinterpret_cast<const Pack<T, N>*>(from);
  Pack<T, N> pack;
#pragma unroll
  for (int i = 0; i < N; ++i) pack[i] = i < count ? from[i] : T();
  return pack;
}

template <int N, bool kAligned, typename T>
__device__ inline void store(T* to, const Pack<T, N>& pack, std::int64_t count = N) {
  if (kAligned && count >= N) {
    store_words(to, pack);
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i) {
    if (i < count) to[i] = pack[i];
  }
}

// Whether rows of `width` elements may be loaded N at a time from every one of the tensors.
// One row needs no particular width: its end is taken element by element.
inline bool rows_are_aligned(std::initializer_list<const Tensor*> tensors, int elements,
                             std::int64_t rows, std::int64_t width) {
  if (rows > 1 && width % elements != 0) return false;
  for (const Tensor* tensor : tensors) {
    const std::size_t bytes =
        std::min<std::size_t>(16, static_cast<std::size_t>(elements) * size_of(tensor->dtype()));
    if (reinterpret_cast<std::uintptr_t>(tensor->raw()) % bytes != 0) return false;
  }
  return true;
}
inline bool are_aligned(std::initializer_list<const Tensor*> tensors, int elements) {
  return rows_are_aligned(tensors, elements, 1, 0);
}

// Calls f(std::bool_constant<value>{}): a run-time bool as a template argument.
template <typename F>
void on_bool(bool value, F&& f) {
  if (value) {
    f(std::true_type{});
  } else {
    f(std::false_type{});
  }
}

}  // namespace unfold::core::kernels::cuda
