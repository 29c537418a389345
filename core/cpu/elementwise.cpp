#include "core/kernels/elementwise.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "core/kernels/float_types.h"
#include "core/parallel.h"
#include "core/random.h"

namespace unfold::core::kernels::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 15;

template <typename T>
void fill_with(const Tensor& y, T value) {
  T* out = y.data<T>();
  parallel_for(y.size(), kGrain, [out, value](std::int64_t begin, std::int64_t end) {
    const T constant = value;  // a local cannot alias `out`, so the loop becomes vector stores
    std::fill(out + begin, out + end, constant);
  });
}

// Calls f(std::type_identity<T>{}) for every dtype; bool is stored as a byte of 0 or 1.
template <typename F>
void on_any(DType dtype, F&& f) {
  switch (dtype) {
    case DType::int64:
      f(std::type_identity<std::int64_t>{});
      return;
    case DType::int32:
      f(std::type_identity<std::int32_t>{});
      return;
    case DType::uint8:
      f(std::type_identity<std::uint8_t>{});
      return;
    case DType::boolean:
      f(std::type_identity<bool>{});
      return;
    default:
      on_float(dtype, std::forward<F>(f));
  }
}

template <typename From, typename To>
To convert(From value) {
  if constexpr (std::is_same_v<From, To>) {
    return value;
  } else if constexpr (std::is_same_v<To, bfloat16>) {
    return bfloat16(static_cast<float>(value));
  } else if constexpr (std::is_same_v<From, bfloat16>) {
    return static_cast<To>(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

// One row: `count` elements of `in` and `out`, each so many of its own elements apart.
template <typename From, typename To>
void convert_row(const void* in, std::int64_t in_step, void* out, std::int64_t out_step,
                 std::int64_t count) {
  const From* source = static_cast<const From*>(in);
  To* target = static_cast<To*>(out);
  if (in_step == 1 && out_step == 1) {
    for (std::int64_t i = 0; i < count; ++i) target[i] = convert<From, To>(source[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) {
      target[i * out_step] = convert<From, To>(source[i * in_step]);
    }
  }
}

// Row-major walk over all but the last dimension, the rows by convert_row of the two dtypes. The
// walk is compiled once, not for every pair of dtypes.
void copy_strided(const Tensor& from, const Tensor& to, decltype(&convert_row<float, float>) row) {
  const auto* source = static_cast<const char*>(from.raw());
  auto* target = static_cast<char*>(to.raw());
  if (from.rank() == 0) {
    row(source, 1, target, 1, 1);
    return;
  }
  const Shape& shape = from.shape();
  const std::int64_t width = shape.back();
  const std::int64_t rows = width == 0 ? 0 : from.size() / width;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, width));
  const auto from_bytes = static_cast<std::int64_t>(size_of(from.dtype()));
  const auto to_bytes = static_cast<std::int64_t>(size_of(to.dtype()));
  parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) {
      std::int64_t rest = at;
      std::int64_t from_offset = 0;
      std::int64_t to_offset = 0;
      for (std::size_t d = shape.size() - 1; d-- > 0;) {
        const std::int64_t index = rest % shape[d];
        rest /= shape[d];
        from_offset += index * from.strides()[d];
        to_offset += index * to.strides()[d];
      }
      row(source + from_offset * from_bytes, from.strides().back(), target + to_offset * to_bytes,
          to.strides().back(), width);
    }
  });
}

// y[i] = f(a[i], b[i]) in accumulator precision.
template <typename F>
void binary(const Tensor& a, const Tensor& b, const Tensor& y, F f) {
  on_float(y.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const T* left = a.data<T>();
    const T* right = b.data<T>();
    T* out = y.data<T>();
    parallel_for(y.size(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) out[i] = T(f(A(left[i]), A(right[i])));
    });
  });
}

}  // namespace

void fill(const Tensor& y, double value) {
  on_any(y.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    fill_with<T>(y, convert<double, T>(value));
  });
}

void copy(const Tensor& from, const Tensor& to) {
  check(from.shape() == to.shape(), "copy", "shapes {} and {}", shown(from.shape()),
        shown(to.shape()));
  if (from.dtype() == to.dtype() && from.is_contiguous() && to.is_contiguous()) {
    const char* source = static_cast<const char*>(from.raw());
    char* target = static_cast<char*>(to.raw());
    parallel_for(static_cast<std::int64_t>(from.bytes()), 1 << 18,
                 [&](std::int64_t begin, std::int64_t end) {
                   std::memcpy(target + begin, source + begin,
                               static_cast<std::size_t>(end - begin));
                 });
    return;
  }
  on_any(from.dtype(), [&](auto from_tag) {
    on_any(to.dtype(), [&](auto to_tag) {
      copy_strided(from, to,
                   convert_row<typename decltype(from_tag)::type, typename decltype(to_tag)::type>);
    });
  });
}

void add(const Tensor& a, const Tensor& b, const Tensor& y) {
  binary(a, b, y, [](auto left, auto right) { return left + right; });
}

void multiply(const Tensor& a, const Tensor& b, const Tensor& y) {
  binary(a, b, y, [](auto left, auto right) { return left * right; });
}

void scale(const Tensor& x, double alpha, const Tensor& y) {
  binary(x, x, y,
         [alpha](auto value, auto) { return static_cast<decltype(value)>(alpha) * value; });
}

void accumulate(const Tensor& x, double alpha, const Tensor& y) {
  binary(x, y, y, [alpha](auto value, auto sum) {
    return sum + static_cast<decltype(value)>(alpha) * value;
  });
}

void scale_by(const Tensor& x, const Tensor& factor, const Tensor& y) {
  scale(x, factor.item(), y);
}

void accumulate_by(const Tensor& x, const Tensor& factor, const Tensor& y) {
  accumulate(x, factor.item(), y);
}

void dropout(const Tensor& x, double p, std::uint64_t seed, std::uint64_t stream,
             std::uint64_t first, const Tensor& y) {
  on_float(y.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Accumulator<T>;
    const T* in = x.data<T>();
    T* out = y.data<T>();
    const A keep_scale = A(1.0 / (1.0 - p));
    const auto threshold = static_cast<std::uint64_t>(p * 4294967296.0);
    const std::int64_t blocks = (y.size() + 3) / 4;
    parallel_for(blocks, kGrain / 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t block = begin; block < end; ++block) {
        const auto words = philox(seed, stream, first / 4 + static_cast<std::uint64_t>(block));
        const std::int64_t at = block * 4;
        const std::int64_t count = std::min<std::int64_t>(4, y.size() - at);
        for (std::int64_t i = 0; i < count; ++i) {
          const bool kept = words[static_cast<std::size_t>(i)] >= threshold;
          out[at + i] = kept ? T(A(in[at + i]) * keep_scale) : T(A(0));
        }
      }
    });
  });
}

}  // namespace unfold::core::kernels::cpu
