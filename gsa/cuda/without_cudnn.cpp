// Stands in for gsa/cuda/cudnn_attention.cpp in a CUDA build without cuDNN.
#include "gsa/cuda/cudnn_attention.h"

namespace unfold::gsa::kernels::cuda {

using T = const core::Tensor&;

bool cudnn_attention(T, const AttentionShape&, const BlockMap&, T, T) {
  return false;
}
bool cudnn_attention_backward(T, T, T, T, const AttentionShape&, const BlockMap&, T) {
  return false;
}

}  // namespace unfold::gsa::kernels::cuda
