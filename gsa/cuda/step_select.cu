#include "gsa/cuda/step_select.cuh"

#include "core/cuda/overlap.cuh"
#include "gsa/cuda/launch.cuh"

namespace unfold::gsa::kernels::cuda {
namespace {

template <typename T, int V>
void run(const Heads& heads, const core::Tensor& qkv, const SelectSource& source,
         const SelectSpace& space, std::int64_t count) {
  const std::size_t group_bytes = sizeof(double) * static_cast<std::size_t>(heads.group) *
                                  static_cast<std::size_t>(heads.width);
  allow_shared_memory(step_scores<T, V>, group_bytes);
  const dim3 tiles(grid_extent(blocks_of(space.gists, kScoreKeys)),
                   static_cast<unsigned>(heads.kv_heads), static_cast<unsigned>(count));
  const core::cuda::Context& context = core::cuda::use(qkv.device().index);
  const auto launch = [&](const char* name, auto kernel, dim3 grid, int threads,
                          std::size_t bytes) {
    core::kernels::cuda::launch_early(context, name, kernel, grid, static_cast<unsigned>(threads),
                                      bytes, true, heads, qkv.data<T>(), source, space);
  };
  launch("step_scores", step_scores<T, V>, tiles, kScoreThreads, group_bytes);
  const dim3 blocks(static_cast<unsigned>(heads.heads), static_cast<unsigned>(count));
  launch("step_select", step_select_kernel<T, V>, blocks, kSelectThreads,
         sizeof(double) * static_cast<std::size_t>(heads.width));
}

}  // namespace

void step_select(const core::Tensor& qkv, const StepPlan& plan, std::int64_t layer,
                 std::int64_t first, std::int64_t count) {
  const Heads heads(plan.shape());
  const StepWorkspace& work = plan.workspace();
  SelectSpace space{};
  space.gists = work.gists;
  space.keys = work.keys;
  space.words = work.words;
  space.levels = static_cast<int>(work.flags.dim(2));
  space.scores = work.scores.data<double>();
  space.candidates = work.candidates.data<std::int32_t>();
  space.flags = reinterpret_cast<unsigned*>(work.flags.data<std::int32_t>());
  space.list = reinterpret_cast<unsigned*>(work.list.data<std::int32_t>());
  space.listed = work.listed.data<std::int32_t>();
  space.tickets = work.tickets.data<std::int32_t>();
  space.reads = reinterpret_cast<unsigned long long*>(plan.reads().data<std::int64_t>());
  const SelectSource source{plan.query(first), plan.children(), plan.sections(layer),
                            plan.view_of(layer)};
  on_float(qkv.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int V = 16 / static_cast<int>(sizeof(T));
    // Keys of every section begin where a block of memory does; each is `width` behind the last.
    if (heads.width % V == 0) {
      run<T, V>(heads, qkv, source, space, count);
    } else {
      run<T, 1>(heads, qkv, source, space, count);
    }
  });
}

}  // namespace unfold::gsa::kernels::cuda
