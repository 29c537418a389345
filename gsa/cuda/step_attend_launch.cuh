// Which attention kernel serves a dtype, head width and group (gsa/cuda/step_attend.cuh).
#pragma once

#include <algorithm>
#include <type_traits>

#include "gsa/cuda/launch.cuh"
#include "gsa/cuda/step_attend.cuh"
#include "gsa/cuda/step_attend.h"
#include "gsa/cuda/tile.cuh"

namespace unfold::gsa::kernels::cuda {

template <typename T, int kHeads, int kLanes, int kElements, bool kPacked>
void launch_step_attend(const Heads& heads, const core::Tensor& qkv, AttendSource<T> source,
                        std::int64_t splits, std::int64_t count, const core::Tensor& out) {
  source.pieces = static_cast<int>(blocks_of(heads.group, kHeads));
  using A = Accumulator<T>;
  const std::size_t bytes = sizeof(A) * attend_shared(kHeads, heads.width, static_cast<int>(splits),
                                                      16 / static_cast<int>(sizeof(A)));
  const auto kernel = step_attend<T, kHeads, kLanes, kElements, kPacked>;
  allow_shared_memory(kernel, bytes);
  const dim3 grid(static_cast<unsigned>(splits),
                  static_cast<unsigned>(heads.kv_heads * source.pieces),
                  static_cast<unsigned>(count));
  core::kernels::cuda::launch_early(core::cuda::use(qkv.device().index), "step_attend", kernel,
                                    grid, kAttendThreads, bytes, true, heads, qkv.data<T>(), source,
                                    out.data<T>());
}

// Heads that lie in 8 or 16 packs of 16 bytes.
template <typename T, int kLanes, typename... Rest>
void launch_packed(const Heads& heads, const Rest&... rest) {
  constexpr int V = 16 / static_cast<int>(sizeof(T));
  // Other groups are taken four heads at a time; bfloat16 is what models decode in.
  if constexpr (std::is_same_v<T, core::bfloat16>) {
    if (heads.group == 1) return launch_step_attend<T, 1, kLanes, V, true>(heads, rest...);
    if (heads.group <= 3) return launch_step_attend<T, 3, kLanes, V, true>(heads, rest...);
    if (heads.group > 4) return launch_step_attend<T, 8, kLanes, V, true>(heads, rest...);
  }
  launch_step_attend<T, 4, kLanes, V, true>(heads, rest...);
}

template <typename T>
void attend_step(const core::Tensor& qkv, const StepPlan& plan, std::int64_t layer,
                 std::int64_t first, std::int64_t count, const core::Tensor& out) {
  using A = Accumulator<T>;
  const Heads heads(plan.shape());
  core::require(heads.width <= kMaxWidth, "cuda",
                "a head width of {}: the CUDA kernels take up to {}", heads.width, kMaxWidth);
  const StepWorkspace& work = plan.workspace();
  AttendSource<T> source{};
  source.queries = plan.query(first);
  source.sections = plan.sections(layer);
  source.view = plan.view_of(layer);
  source.list = reinterpret_cast<const unsigned*>(work.list.data<std::int32_t>());
  source.listed = work.listed.data<std::int32_t>();
  source.list_keys = work.keys;
  source.part_out = work.part_out.data<A>();
  source.part_sums = work.part_sums.data<A>();
  source.tickets = work.tickets.data<std::int32_t>() + work.queries * heads.heads;
  const std::int64_t splits = plan.splits();
  constexpr int V = 16 / static_cast<int>(sizeof(T));
  // Rows of qkv and keys begin at whole packs where the width is one of these.
  if (heads.width == 8 * V) {
    launch_packed<T, 8>(heads, qkv, source, splits, count, out);
  } else if (heads.width == 16 * V) {
    launch_packed<T, 16>(heads, qkv, source, splits, count, out);
  } else {
    launch_step_attend<T, 4, kWarp, kMaxWidth / kWarp, false>(heads, qkv, source, splits, count,
                                                              out);
  }
}

}  // namespace unfold::gsa::kernels::cuda
