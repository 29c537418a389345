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

// A whole pack. Spelled out, because the compiler takes the assignment of a Pack apart into stores
// of its elements, of two or four bytes each.
template <typename T, int N>
__device__ inline void store_words(T* to, const Pack<T, N>& pack) {
  constexpr int kBytes = N * sizeof(T);
  if constexpr (kBytes % 16 == 0) {
#pragma unroll
    for (int i = 0; i < kBytes / 16; ++i) {
      const uint4 word = reinterpret_cast<const uint4*>(pack.at)[i];
      asm volatile("st.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(reinterpret_cast<uint4*>(to) + i),
                   "r"(word.x), "r"(word.y), "r"(word.z), "r"(word.w)
                   : "memory");
    }
  } else if constexpr (kBytes == 8) {
    const uint2 word = *reinterpret_cast<const uint2*>(pack.at);
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
