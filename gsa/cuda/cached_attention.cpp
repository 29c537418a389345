// Policies that have to be asked decide on the host, query by query, from keys they read one head
// at a time. So their cache lives there, and their queries attend there, on all cores: what they
// leave of a context is little, and nothing waits for the device between two decisions. Policies
// that can be laid out stay on the device (gsa/step_plan.h).
#include <algorithm>
#include <memory>
#include <utility>

#include "core/cuda/context.h"
#include "core/memory.h"
#include "gsa/kernels/decode.h"

namespace unfold::gsa::kernels::cuda {
namespace {

// Of a prompt it is hundreds of megabytes, a layer.
Tensor on_host(const Tensor& tensor) {
  std::shared_ptr<void> memory =
      core::cuda::use(tensor.device().index).page_locked().take(tensor.bytes());
  if (!memory) return tensor.to(core::Device{});
  const Tensor host = Tensor::over(std::move(memory), tensor.shape(), tensor.dtype());
  core::copy_bytes(host.device(), host.raw(), tensor.device(), tensor.raw(), tensor.bytes());
  return host;
}

}  // namespace

void cached_attention(const Tensor& qkv, const AttentionShape& shape,
                      std::span<CachedTokens> sequences, const Tensor& out) {
  const core::Device host;
  for (const CachedTokens& sequence : sequences) sequence.store->move_to(host);
  const Tensor host_out = Tensor::empty(out.shape(), out.dtype(), host);
  cpu::cached_attention(on_host(qkv), shape, sequences, host_out);
  // Rows below a sequence's prefix are on the device already.
  for (const CachedTokens& sequence : sequences) {
    const std::int64_t end = sequence.row + sequence.tokens->size() - sequence.first;
    const std::int64_t begin =
        sequence.row + std::max<std::int64_t>(0, sequence.prefix - sequence.first);
    if (begin >= end) continue;
    const Tensor rows = host_out.slice(0, begin, end);
    core::copy_bytes(out.device(), out.slice(0, begin, end).raw(), host, rows.raw(), rows.bytes());
  }
}

}  // namespace unfold::gsa::kernels::cuda
