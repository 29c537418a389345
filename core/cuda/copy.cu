// kernels::copy: any strides, any two dtypes.
#include <algorithm>
#include <array>
#include <cstdint>

#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"
#include "core/kernels/elementwise.h"

namespace unfold::core::kernels::cuda {
namespace {

constexpr int kMostDims = 8;

// One dimension of a walk over two tensors, outermost first.
struct Extent {
  std::int64_t size;
  std::int64_t from_stride;  // elements
  std::int64_t to_stride;
};

// What a kernel walks over: dimensions of more than one element, neighbours merged where both
// tensors run through them in one step.
struct Walk {
  std::array<Extent, kMostDims> extents{};
  int dims = 0;
  std::int64_t size = 1;
};

Walk walk_of(const Tensor& from, const Tensor& to) {
  Walk walk;
  for (std::size_t d = 0; d < from.shape().size(); ++d) {
    const Extent extent = {from.shape()[d], from.strides()[d], to.strides()[d]};
    walk.size *= extent.size;
    if (extent.size == 1) continue;
    if (walk.dims > 0) {
      Extent& outer = walk.extents[static_cast<std::size_t>(walk.dims - 1)];
      if (outer.from_stride == extent.size * extent.from_stride &&
          outer.to_stride == extent.size * extent.to_stride) {
        outer = {outer.size * extent.size, extent.from_stride, extent.to_stride};
        continue;
      }
    }
    check(walk.dims < kMostDims, "copy", "shape {} has more than {} separate dimensions",
          shown(from.shape()), kMostDims);
    walk.extents[static_cast<std::size_t>(walk.dims++)] = extent;
  }
  return walk;
}

struct Offsets {
  std::int64_t from = 0;
  std::int64_t to = 0;
};

// Where element `index` in row-major order lies. Index: 32 bits where they suffice, because a
// division of 64 bits costs as much as the memory access.
template <typename Index>
__device__ inline Offsets offsets_of(const Walk& walk, Index index) {
  Offsets offsets;
#pragma unroll
  for (int d = kMostDims - 1; d >= 0; --d) {
    if (d >= walk.dims) continue;
    const Extent& extent = walk.extents[static_cast<std::size_t>(d)];
    const Index rest = index / static_cast<Index>(extent.size);
    const Index at = index - rest * static_cast<Index>(extent.size);
    offsets.from += static_cast<std::int64_t>(at) * extent.from_stride;
    offsets.to += static_cast<std::int64_t>(at) * extent.to_stride;
    index = rest;
  }
  return offsets;
}

// Elements of one size, moved as they are.
template <typename Bits, typename Index>
__global__ void __launch_bounds__(kThreads)
    move_kernel(const Bits* from, Bits* to, const __grid_constant__ Walk walk) {
  for (std::int64_t i = first_item(); i < walk.size; i += item_step()) {
    const Offsets at = offsets_of(walk, static_cast<Index>(i));
    to[at.to] = from[at.from];
  }
}

// The same with a conversion, whatever the dtypes: slower than a kernel for each pair, of which
// there would be 42. An element passes through a double or, from integers, an int64: both hold it
// exactly.
template <typename Index>
__global__ void __launch_bounds__(kThreads)
    convert_kernel(const void* from, DType from_type, void* to, DType to_type,
                   const __grid_constant__ Walk walk) {
  for (std::int64_t i = first_item(); i < walk.size; i += item_step()) {
    const Offsets at = offsets_of(walk, static_cast<Index>(i));
    double real = 0;
    std::int64_t integer = 0;
    bool is_real = true;
    switch (from_type) {
      case DType::float64:
        real = static_cast<const double*>(from)[at.from];
        break;
      case DType::float32:
        real = static_cast<const float*>(from)[at.from];
        break;
      case DType::bfloat16:
        real = widen(static_cast<const bfloat16*>(from)[at.from]);
        break;
      case DType::int64:
        integer = static_cast<const std::int64_t*>(from)[at.from];
        is_real = false;
        break;
      case DType::int32:
        integer = static_cast<const std::int32_t*>(from)[at.from];
        is_real = false;
        break;
      case DType::uint8:
      case DType::boolean:
        integer = static_cast<const std::uint8_t*>(from)[at.from];
        is_real = false;
        break;
    }
    switch (to_type) {
      case DType::float64:
        static_cast<double*>(to)[at.to] = is_real ? real : static_cast<double>(integer);
        break;
      case DType::float32:
        static_cast<float*>(to)[at.to] =
            is_real ? static_cast<float>(real) : static_cast<float>(integer);
        break;
      case DType::bfloat16:
        static_cast<bfloat16*>(to)[at.to] =
            narrow<bfloat16>(is_real ? static_cast<float>(real) : static_cast<float>(integer));
        break;
      case DType::int64:
        static_cast<std::int64_t*>(to)[at.to] = is_real ? static_cast<std::int64_t>(real) : integer;
        break;
      case DType::int32:
        static_cast<std::int32_t*>(to)[at.to] =
            is_real ? static_cast<std::int32_t>(real) : static_cast<std::int32_t>(integer);
        break;
      case DType::uint8:
        static_cast<std::uint8_t*>(to)[at.to] =
            is_real ? static_cast<std::uint8_t>(real) : static_cast<std::uint8_t>(integer);
        break;
      case DType::boolean:
        static_cast<bool*>(to)[at.to] = is_real ? real != 0 : integer != 0;
        break;
    }
  }
}

// Contiguous floating tensors: masters to parameters, gradients to accumulators.
template <typename From, typename To, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    convert_packs_kernel(const From* from, To* to, std::int64_t size) {
  constexpr int V = 8;
  for (std::int64_t i = first_item() * V; i < size; i += item_step() * V) {
    const auto in = load<V, kAligned>(from + i, size - i);
    Pack<To, V> out;
#pragma unroll
    for (int j = 0; j < V; ++j) {
      if constexpr (std::is_same_v<To, double>) {
        out[j] = static_cast<double>(widen(in[j]));
      } else {
        out[j] = narrow<To>(static_cast<float>(widen(in[j])));
      }
    }
    store<V, kAligned>(to + i, out, size - i);
  }
}

void convert_packs(const Context& context, const Tensor& from, const Tensor& to) {
  on_float(from.dtype(), [&](auto from_tag) {
    on_float(to.dtype(), [&](auto to_tag) {
      using From = typename decltype(from_tag)::type;
      using To = typename decltype(to_tag)::type;
      if constexpr (!std::is_same_v<From, To>) {
        const std::int64_t size = from.size();
        on_bool(are_aligned({&from, &to}, 8), [&](auto aligned) {
          launch(context, "copy", convert_packs_kernel<From, To, aligned()>,
                 grid_for(context, size, kThreads * 8), kThreads, from.data<From>(), to.data<To>(),
                 size);
        });
      }
    });
  });
}

// Elements as wide as the walk and both addresses allow: runs of bytes that are neighbours in both
// tensors move together. Widens the walk, and returns the bytes of its elements.
std::int64_t widen_elements(Walk& walk, const void* from, const void* to, std::int64_t bytes) {
  if (walk.dims == 0) return bytes;
  Extent& inner = walk.extents[static_cast<std::size_t>(walk.dims - 1)];
  if (inner.from_stride != 1 || inner.to_stride != 1) return bytes;
  const auto fits = [&](std::int64_t width) {
    const auto whole = [width](std::int64_t value) { return value % width == 0; };
    bool good = whole(inner.size * bytes) && whole(reinterpret_cast<std::intptr_t>(from)) &&
                whole(reinterpret_cast<std::intptr_t>(to));
    for (int d = 0; d + 1 < walk.dims; ++d) {
      const Extent& extent = walk.extents[static_cast<std::size_t>(d)];
      good = good && whole(extent.from_stride * bytes) && whole(extent.to_stride * bytes);
    }
    return good;
  };
  std::int64_t width = 16;
  while (width > bytes && !fits(width)) width /= 2;
  const std::int64_t factor = width / bytes;
  inner.size /= factor;
  walk.size /= factor;
  for (int d = 0; d + 1 < walk.dims; ++d) {
    Extent& extent = walk.extents[static_cast<std::size_t>(d)];
    extent.from_stride /= factor;
    extent.to_stride /= factor;
  }
  return width;
}

// Calls f with the integer type to index the walk with.
template <typename F>
void on_index(const Walk& walk, F&& f) {
  if (walk.size < (std::int64_t{1} << 32)) {
    f(std::type_identity<std::uint32_t>{});
  } else {
    f(std::type_identity<std::uint64_t>{});
  }
}

template <typename Bits>
void move_as(const Context& context, const void* from, void* to, const Walk& walk) {
  on_index(walk, [&](auto tag) {
    using Index = typename decltype(tag)::type;
    launch(context, "copy", move_kernel<Bits, Index>, grid_for(context, walk.size, kThreads),
           kThreads, static_cast<const Bits*>(from), static_cast<Bits*>(to), walk);
  });
}

void move_elements(const Context& context, const Tensor& from, const Tensor& to, Walk walk) {
  const auto bytes = static_cast<std::int64_t>(size_of(from.dtype()));
  switch (widen_elements(walk, from.raw(), to.raw(), bytes)) {
    case 16:
      return move_as<uint4>(context, from.raw(), to.raw(), walk);
    case 8:
      return move_as<std::uint64_t>(context, from.raw(), to.raw(), walk);
    case 4:
      return move_as<std::uint32_t>(context, from.raw(), to.raw(), walk);
    case 2:
      return move_as<std::uint16_t>(context, from.raw(), to.raw(), walk);
    default:
      return move_as<std::uint8_t>(context, from.raw(), to.raw(), walk);
  }
}

}  // namespace

void copy(const Tensor& from, const Tensor& to) {
  check(from.shape() == to.shape(), "copy", "shapes {} and {}", shown(from.shape()),
        shown(to.shape()));
  if (from.size() == 0) return;
  const Context& context = context_of(to);
  const bool contiguous = from.is_contiguous() && to.is_contiguous();
  if (from.dtype() == to.dtype()) {
    if (contiguous) {
      core::cuda::check_status(cudaMemcpyAsync(to.raw(), from.raw(), from.bytes(),
                                               cudaMemcpyDeviceToDevice, context.stream()),
                               "copy");
    } else {
      move_elements(context, from, to, walk_of(from, to));
    }
    return;
  }
  if (contiguous && is_floating(from.dtype()) && is_floating(to.dtype())) {
    convert_packs(context, from, to);
    return;
  }
  const Walk walk = walk_of(from, to);
  on_index(walk, [&](auto tag) {
    using Index = typename decltype(tag)::type;
    launch(context, "copy", convert_kernel<Index>, grid_for(context, walk.size, kThreads), kThreads,
           static_cast<const void*>(from.raw()), from.dtype(), to.raw(), to.dtype(), walk);
  });
}

}  // namespace unfold::core::kernels::cuda
