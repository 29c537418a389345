#include "gsa/kernels/attention.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <type_traits>

#include "core/log.h"
#include "gsa/cuda/attention_general.h"
#include "gsa/cuda/attention_tensor.h"
#include "gsa/cuda/cudnn_attention.h"
#include "gsa/cuda/launch.cuh"

namespace unfold::gsa::kernels::cuda {
namespace {

enum class Way { general, sync, warpgroup };

// UNFOLD_TENSOR_CORES: 0 none; sync or warpgroup, the way to multiply (gsa/cuda/products.cuh). Not
// set, or anything else: warpgroup where the GPU has it, which is a quarter faster.
Way wanted_way([[maybe_unused]] int device) {
  const char* set = std::getenv("UNFOLD_TENSOR_CORES");
  const std::string_view wanted = set == nullptr ? "" : set;
  if (wanted == "0") return Way::general;
#ifdef UNFOLD_SM90A
  const bool has_warpgroups = core::cuda::use(device).properties().major == 9;
#else
  constexpr bool has_warpgroups = false;
#endif
  return has_warpgroups && wanted != "sync" ? Way::warpgroup : Way::sync;
}

// Vectors are copied in pieces of 16 bytes.
bool is_aligned(const Tensor& tensor) {
  return reinterpret_cast<std::uintptr_t>(tensor.raw()) % 16 == 0;
}

template <typename... Tensors>
Way choose_way(const AttentionShape& shape, const Tensor& qkv, const Tensors&... others) {
  if (qkv.dtype() != core::DType::bfloat16) return Way::general;
  const Way wanted = wanted_way(qkv.device().index);
  if (wanted == Way::general) return wanted;
  if (shape.width != 64 && shape.width != 128) {
    static std::atomic<bool> said = false;
    if (!said.exchange(true)) {
      core::log::warning(
          "attention in bfloat16 with heads of {}: no tensor cores, which take 64 and 128",
          shape.width);
    }
    return Way::general;
  }
  return is_aligned(qkv) && (is_aligned(others) && ...) ? wanted : Way::general;
}

// Calls f with the width and the way to multiply.
template <typename F>
void on_way(Way way, std::int64_t width, F&& f) {
  const auto with_width = [&](auto products) {
    if (width == 64) {
      f(std::integral_constant<int, 64>{}, products);
    } else {
      f(std::integral_constant<int, 128>{}, products);
    }
  };
  if (way == Way::sync) {
    with_width(std::type_identity<SyncProducts>{});
  } else {
    with_width(std::type_identity<WarpgroupProducts>{});
  }
}

}  // namespace

void attention(const Tensor& qkv, const AttentionShape& shape, const BlockMap& map,
               const Tensor& out, const Tensor& lse) {
  core::cuda::use(qkv.device().index);
  if (cudnn_attention(qkv, shape, map, out, lse)) return;
  if (const Way way = choose_way(shape, qkv, out); way != Way::general) {
    on_way(way, shape.width, [&](auto width, auto products) {
      tensor_attention<width(), typename decltype(products)::type>(qkv, shape, map, out, lse);
    });
    return;
  }
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    general_attention<T>(qkv, shape, map, out, lse);
  });
}

void attention_backward(const Tensor& dout, const Tensor& qkv, const Tensor& out, const Tensor& lse,
                        const AttentionShape& shape, const BlockMap& map, const Tensor& dqkv) {
  core::cuda::use(qkv.device().index);
  if (cudnn_attention_backward(dout, qkv, out, lse, shape, map, dqkv)) return;
  if (const Way way = choose_way(shape, qkv, dout, out, dqkv); way != Way::general) {
    on_way(way, shape.width, [&](auto width, auto products) {
      tensor_attention_backward<width(), typename decltype(products)::type>(dout, qkv, out, lse,
                                                                            shape, map, dqkv);
    });
    return;
  }
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    general_attention_backward<T>(dout, qkv, out, lse, shape, map, dqkv);
  });
}

}  // namespace unfold::gsa::kernels::cuda
