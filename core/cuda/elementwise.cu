#include "core/kernels/elementwise.h"

#include <algorithm>
#include <cstring>

#include "core/cuda/launch.cuh"
#include "core/cuda/pack.cuh"
#include "core/random.h"

namespace unfold::core::kernels::cuda {
namespace {

// y[i] = f(a[i], b[i]) in accumulator precision. y may be a or b: a thread reads its elements
// before it writes them.
template <typename T, bool kAligned, typename F>
__global__ void __launch_bounds__(kThreads)
    binary_kernel(const T* a, const T* b, T* y, std::int64_t size, F f) {
  constexpr int V = kPack<T>;
  for (std::int64_t i = first_item() * V; i < size; i += item_step() * V) {
    const auto left = load<V, kAligned>(a + i, size - i);
    const auto right = load<V, kAligned>(b + i, size - i);
    Pack<T, V> result;
#pragma unroll
    for (int j = 0; j < V; ++j) result[j] = narrow<T>(f(widen(left[j]), widen(right[j])));
    store<V, kAligned>(y + i, result, size - i);
  }
}

// An argument of a function of the accumulator type A: a number, or a scalar tensor to read.
template <typename A>
A as_argument(double value) {
  return static_cast<A>(value);
}
template <typename A>
const A* as_argument(const Tensor* scalar) {
  return scalar->data<A>();
}

// F<A> is the function for the accumulator type A, made from the arguments.
template <template <typename> typename F, typename... Arguments>
void binary(const char* name, const Tensor& a, const Tensor& b, const Tensor& y,
            Arguments... arguments) {
  on_float(y.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const T* left = a.data<T>();
    const T* right = b.data<T>();
    T* out = y.data<T>();
    const std::int64_t size = y.size();
    if (size == 0) return;
    const Context& context = context_of(y);
    on_bool(are_aligned({&a, &b, &y}, kPack<T>), [&](auto aligned) {
      launch(context, name, binary_kernel<T, aligned(), F<A>>,
             grid_for(context, size, kThreads * kPack<T>), kThreads, left, right, out, size,
             F<A>{as_argument<A>(arguments)...});
    });
  });
}

template <typename A>
struct Add {
  __device__ A operator()(A left, A right) const { return left + right; }
};
template <typename A>
struct Multiply {
  __device__ A operator()(A left, A right) const { return left * right; }
};
template <typename A>
struct Scale {
  A alpha;
  __device__ A operator()(A value, A) const { return alpha * value; }
};
template <typename A>
struct AddScaled {
  A alpha;
  __device__ A operator()(A value, A sum) const { return sum + alpha * value; }
};
template <typename A>
struct ScaleBy {
  const A* alpha;
  __device__ A operator()(A value, A) const { return __ldg(alpha) * value; }
};
template <typename A>
struct AddScaledBy {
  const A* alpha;
  __device__ A operator()(A value, A sum) const { return sum + __ldg(alpha) * value; }
};

// A value as the bytes of one element; Bits: the unsigned integer of its size.
template <typename Bits>
__global__ void __launch_bounds__(kThreads)
    fill_kernel(Bits* y, std::int64_t size, Bits value, std::int64_t head) {
  // The elements before the first aligned one, then packs, then the rest.
  constexpr int V = kPack<Bits>;
  if (blockIdx.x == 0 && threadIdx.x < head) y[threadIdx.x] = value;
  Pack<Bits, V> pack;
#pragma unroll
  for (int j = 0; j < V; ++j) pack[j] = value;
  for (std::int64_t i = head + first_item() * V; i < size; i += item_step() * V) {
    store<V, true>(y + i, pack, size - i);
  }
}

template <typename Bits>
void fill_bits(const Tensor& y, std::uint64_t bits) {
  const std::int64_t size = y.size();
  const Context& context = context_of(y);
  const auto address = reinterpret_cast<std::uintptr_t>(y.raw());
  const auto head = std::min<std::int64_t>(
      size, static_cast<std::int64_t>((16 - address % 16) % 16 / sizeof(Bits)));
  launch(context, "fill", fill_kernel<Bits>, grid_for(context, size, kThreads * kPack<Bits>),
         kThreads, static_cast<Bits*>(y.raw()), size, static_cast<Bits>(bits), head);
}

template <typename T>
std::uint64_t bits_of(T value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(value));
  return bits;
}

// The value as an element of the dtype, in the low bytes.
std::uint64_t element_bits(DType dtype, double value) {
  switch (dtype) {
    case DType::float64:
      return bits_of(value);
    case DType::float32:
      return bits_of(static_cast<float>(value));
    case DType::bfloat16:
      return bits_of(bfloat16(static_cast<float>(value)).bits);
    case DType::int64:
      return bits_of(static_cast<std::int64_t>(value));
    case DType::int32:
      return bits_of(static_cast<std::int32_t>(value));
    case DType::uint8:
      return bits_of(static_cast<std::uint8_t>(value));
    case DType::boolean:
      return value != 0 ? 1 : 0;
  }
  return 0;
}

constexpr int kPhiloxWords = 4;

// A thread takes one block of the generator: four elements.
template <typename T, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    dropout_kernel(const T* x, T* y, std::int64_t size, std::uint64_t threshold,
                   Accumulator<T> keep_scale, std::uint64_t seed, std::uint64_t stream,
                   std::uint64_t first_block) {
  constexpr int V = kPhiloxWords;
  const std::int64_t blocks = (size + V - 1) / V;
  for (std::int64_t block = first_item(); block < blocks; block += item_step()) {
    const auto words = philox(seed, stream, first_block + static_cast<std::uint64_t>(block));
    const std::int64_t i = block * V;
    auto pack = load<V, kAligned>(x + i, size - i);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      pack[j] = words[static_cast<std::size_t>(j)] >= threshold
                    ? narrow<T>(widen(pack[j]) * keep_scale)
                    : narrow<T>(Accumulator<T>(0));
    }
    store<V, kAligned>(y + i, pack, size - i);
  }
}

}  // namespace

void fill(const Tensor& y, double value) {
  if (y.size() == 0) return;
  const std::uint64_t bits = element_bits(y.dtype(), value);
  if (bits == 0) {
    const Context& context = context_of(y);
    core::cuda::check_status(cudaMemsetAsync(y.raw(), 0, y.bytes(), context.stream()), "fill");
    return;
  }
  switch (size_of(y.dtype())) {
    case 8:
      return fill_bits<std::uint64_t>(y, bits);
    case 4:
      return fill_bits<std::uint32_t>(y, bits);
    case 2:
      return fill_bits<std::uint16_t>(y, bits);
    default:
      return fill_bits<std::uint8_t>(y, bits);
  }
}

void add(const Tensor& a, const Tensor& b, const Tensor& y) {
  binary<Add>("add", a, b, y);
}

void multiply(const Tensor& a, const Tensor& b, const Tensor& y) {
  binary<Multiply>("multiply", a, b, y);
}

void scale(const Tensor& x, double alpha, const Tensor& y) {
  binary<Scale>("scale", x, x, y, alpha);
}

void accumulate(const Tensor& x, double alpha, const Tensor& y) {
  binary<AddScaled>("accumulate", x, y, y, alpha);
}

void scale_by(const Tensor& x, const Tensor& factor, const Tensor& y) {
  binary<ScaleBy>("scale_by", x, x, y, &factor);
}

void accumulate_by(const Tensor& x, const Tensor& factor, const Tensor& y) {
  binary<AddScaledBy>("accumulate_by", x, y, y, &factor);
}

void dropout(const Tensor& x, double p, std::uint64_t seed, std::uint64_t stream,
             std::uint64_t first, const Tensor& y) {
  on_float(y.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const T* in = x.data<T>();
    T* out = y.data<T>();
    const std::int64_t size = y.size();
    if (size == 0) return;
    const Context& context = context_of(y);
    const auto threshold = static_cast<std::uint64_t>(p * 4294967296.0);
    on_bool(are_aligned({&x, &y}, kPhiloxWords), [&](auto aligned) {
      launch(context, "dropout", dropout_kernel<T, aligned()>,
             grid_for(context, size, kThreads * kPhiloxWords), kThreads, in, out, size, threshold,
             A(1.0 / (1.0 - p)), seed, stream, first / kPhiloxWords);
    });
  });
}

}  // namespace unfold::core::kernels::cuda
