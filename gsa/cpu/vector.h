// The vector type of the CPU attention kernels: as many elements as fit a machine register.
#pragma once

#include <cstdint>
#include <type_traits>

namespace unfold::gsa::kernels::cpu {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif

template <typename A>
struct Vector {
  using Integer = std::conditional_t<sizeof(A) == 4, std::int32_t, std::int64_t>;
  // In memory these need no more than the alignment of their elements.
  typedef A Type __attribute__((vector_size(kVectorBytes), aligned(sizeof(A)), may_alias));
  typedef Integer IntegerType
      __attribute__((vector_size(kVectorBytes), aligned(sizeof(A)), may_alias));
  using Unsigned = std::make_unsigned_t<Integer>;
  typedef Unsigned UnsignedType
      __attribute__((vector_size(kVectorBytes), aligned(sizeof(A)), may_alias));
  static constexpr std::int64_t kLanes = kVectorBytes / static_cast<int>(sizeof(A));
};

// The smallest number of whole vectors' lanes that holds `count` elements.
template <typename A>
constexpr std::int64_t padded(std::int64_t count) {
  return (count + Vector<A>::kLanes - 1) / Vector<A>::kLanes * Vector<A>::kLanes;
}

}  // namespace unfold::gsa::kernels::cpu
