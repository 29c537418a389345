#include "core/kernels/optimizer.h"

#include "core/cuda/pack.cuh"
#include "core/cuda/tensor_list.cuh"
#include "core/kernels/adamw_factors.h"
#include "core/random.h"
#include "core/stochastic_rounding.h"

namespace unfold::core::kernels::cuda {
namespace {

// Elements a thread takes at once: 16 bytes of each float32 array, and one block of random numbers.
constexpr int kElements = 4;

// One parameter as the device sees it. G: the type of the gradient, T: of the parameter, S: of the
// moments, A: of the master. parameter may be master.
template <typename G, typename T, typename S, typename A>
struct Entry {
  A* master;
  const G* gradient;  // null: zeros
  S* m;
  S* v;
  T* parameter;
  std::int64_t size;
  std::uint64_t seed, stream, first;
  AdamWFactors<A> factors;
  bool aligned;
};

// A moment as it is stored; random: 16 bits for the rounding.
template <typename S, typename A>
__device__ inline S stored(A value, std::uint32_t random) {
  if constexpr (std::is_same_v<S, A>) {
    return value;
  } else {
    return round_stochastically(value, random);
  }
}

// The elements [begin, end) of one parameter by one block. begin is a multiple of kElements.
// No product feeds a plain sum, so nothing is left to be contracted: the CPU's kernel for bfloat16
// moments does the same operations and gets the same bits.
template <bool kAligned, typename G, typename T, typename S, typename A>
__device__ inline void update_chunk(const Entry<G, T, S, A>& entry, std::int64_t begin,
                                    std::int64_t end, A scale) {
  constexpr int V = kElements;
  const AdamWFactors<A> by = entry.factors;
  A* const masters = entry.master;
  S* const all_firsts = entry.m;
  S* const all_seconds = entry.v;
  for (std::int64_t i = begin + threadIdx.x * V; i < end; i += kThreads * V) {
    const std::int64_t count = end - i;
    Pack<G, V> gradients{};
    if (entry.gradient != nullptr) gradients = load<V, kAligned>(entry.gradient + i, count);
    auto firsts = load<V, kAligned>(all_firsts + i, count);
    auto seconds = load<V, kAligned>(all_seconds + i, count);
    auto weights = load<V, kAligned>(masters + i, count);
    std::array<std::uint32_t, V> random{};
    if constexpr (!std::is_same_v<S, A>) {
      random = philox(entry.seed, entry.stream, (entry.first + static_cast<std::uint64_t>(i)) / V);
    }
    Pack<T, V> rounded;
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const std::uint32_t word = random[static_cast<std::size_t>(j)];
      const A g = scale * widen(gradients[j]);
      const A first = fma(by.beta1, widen(firsts[j]), by.rest1 * g);
      const A second = fma(by.beta2, widen(seconds[j]), by.rest2 * (g * g));
      const A root = fma(square_root(second), by.inverse_root, by.eps);
      weights[j] = fma(weights[j], by.decay, -(by.rate * first / root));
      firsts[j] = stored<S>(first, word);
      seconds[j] = stored<S>(second, word >> 16);
      rounded[j] = narrow<T>(weights[j]);
    }
    store<V, kAligned>(all_firsts + i, firsts, count);
    store<V, kAligned>(all_seconds + i, seconds, count);
    store<V, kAligned>(masters + i, weights, count);
    store<V, kAligned>(entry.parameter + i, rounded, count);
  }
}

template <typename G, typename T, typename S, typename A>
__global__ void __launch_bounds__(kThreads)
    adamw_kernel(const Entry<G, T, S, A>* entries, const std::int32_t* first, int tensors,
                 A scale) {
  const int chunk = static_cast<int>(blockIdx.x);
  const int tensor = tensor_of_chunk(first, tensors, chunk);
  const Entry<G, T, S, A> entry = entries[tensor];  // in registers: the stores could alias it
  const std::int64_t begin = static_cast<std::int64_t>(chunk - first[tensor]) * kListChunk;
  const std::int64_t end = begin + kListChunk < entry.size ? begin + kListChunk : entry.size;
  if (entry.aligned) {
    update_chunk<true>(entry, begin, end, scale);
  } else {
    update_chunk<false>(entry, begin, end, scale);
  }
}

template <typename G, typename T, typename S, typename A>
struct Kernel {
  static void lay_out(AdamWLaunch& all) {
    std::vector<Entry<G, T, S, A>> entries;
    ListChunks chunks;
    for (const AdamWUpdate& each : all.updates) {
      const Tensor& gradient = each.gradient;
      const bool aligned =
          are_aligned({&each.master, &each.m, &each.v, &each.parameter}, kElements) &&
          (!gradient.defined() || are_aligned({&gradient}, kElements));
      entries.push_back({each.master.data<A>(), gradient.defined() ? gradient.data<G>() : nullptr,
                         each.m.data<S>(), each.v.data<S>(), each.parameter.data<T>(),
                         each.parameter.size(), each.step.seed, each.step.stream, each.step.first,
                         AdamWFactors<A>(each.step), aligned});
      chunks.add(each.parameter.size());
    }
    all.table = upload_bytes(entries, all.device());
    all.first =
        Tensor::from(chunks.first, {static_cast<std::int64_t>(chunks.first.size())}, all.device());
    all.chunks = chunks.count;
  }

  static void run(const AdamWLaunch& all, double gradient_scale) {
    if (all.chunks == 0) return;
    launch(context_of(all.table), "adamw", adamw_kernel<G, T, S, A>,
           static_cast<unsigned>(all.chunks), kThreads, uploaded<Entry<G, T, S, A>>(all.table),
           all.first.data<std::int32_t>(), static_cast<int>(all.updates.size()),
           static_cast<A>(gradient_scale));
  }
};

// visit(Kernel<...>()) of the dtypes of the updates.
template <typename G, typename T, typename Visit>
void of_moments(const std::vector<AdamWUpdate>& updates, Visit&& visit) {
  using A = Accumulator<T>;
  if constexpr (std::is_same_v<A, float>) {
    if (updates.front().m.dtype() == DType::bfloat16) return visit(Kernel<G, T, bfloat16, A>());
  }
  visit(Kernel<G, T, A, A>());
}
template <typename Visit>
void with_kernel(const std::vector<AdamWUpdate>& updates, Visit&& visit) {
  on_float(updates.front().parameter.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    // The one dtype of the gradients; of none at all, either does.
    const auto known = std::find_if(updates.begin(), updates.end(), [](const AdamWUpdate& each) {
      return each.gradient.defined();
    });
    if (known != updates.end() && known->gradient.dtype() == dtype_of<T>) {
      of_moments<T, T>(updates, visit);
    } else {
      of_moments<Accumulator<T>, T>(updates, visit);
    }
  });
}

}  // namespace

void adamw_lay_out(AdamWLaunch& launch) {
  with_kernel(launch.updates, [&](auto kernel) { kernel.lay_out(launch); });
}

void adamw_all(const AdamWLaunch& launch, double gradient_scale) {
  with_kernel(launch.updates, [&](auto kernel) { kernel.run(launch, gradient_scale); });
}

void adamw(const Tensor& master, const Tensor& gradient, const Tensor& m, const Tensor& v,
           const Tensor& parameter, const AdamWStep& step, double gradient_scale) {
  AdamWLaunch launch{{{master, gradient, m, v, parameter, step}}, {}, {}, 0};
  adamw_lay_out(launch);
  adamw_all(launch, gradient_scale);
}

}  // namespace unfold::core::kernels::cuda
