// Packed documents as cuDNN takes them: a few batches of sequences of about one length.
//
// A graph is built for a number of sequences and a greatest length, and building takes a good part
// of a second. So lengths are rounded up to powers of two and numbers to a few steps, the rest
// being empty sequences, whose blocks end at once. What cuDNN keeps of a batch in its deterministic
// backward bounds the numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/tensor.h"
#include "gsa/attention_shape.h"
#include "gsa/block_map.h"

namespace unfold::gsa::kernels::cuda {

// Bytes that the backward of a call may keep, sequences * heads * length^2 bfloat16 values, where
// there is a choice.
inline constexpr std::int64_t kScoreBytes = std::int64_t{1} << 30;
// And where there is none: longer documents are for our own backward.
inline constexpr std::int64_t kMostScoreBytes = 4 * kScoreBytes;

// What one sequence keeps. cuDNN's blocks are 64 queries by 128 keys.
constexpr std::int64_t score_bytes(std::int64_t heads, std::int64_t length) {
  return heads * ((length + 63) / 64 * 64) * ((length + 127) / 128 * 128) * 2;
}

// One call: `sequences` of up to `length` tokens, some of them empty. The rest are offsets into
// CudnnDocuments::indices, each to a multiple of 16 bytes.
struct DocumentBatch {
  std::int64_t sequences;
  std::int64_t length;
  std::int64_t lengths;      // (sequences)
  std::int64_t qkv_offsets;  // (sequences + 1) elements of qkv before the first token
  std::int64_t out_offsets;  // the same of out
  std::int64_t lse_offsets;  // and of log-sum-exps, (tokens, heads)
};

struct CudnnDocuments {
  std::int64_t heads = 0;  // the shape that offsets are for
  std::int64_t kv_heads = 0;
  std::int64_t width = 0;
  std::vector<DocumentBatch> batches;
  core::Tensor indices;  // int32
  core::Tensor padding;  // int32: tokens in no document, ascending
};

// Of a map whose causal_documents are not empty, made once a map and device. Offsets must fit 32
// bits: tokens * shape.qkv_width() < 2^31.
std::shared_ptr<const CudnnDocuments> cudnn_documents(const BlockMap& map,
                                                      const AttentionShape& shape,
                                                      core::Device device);

// What is not in any document sees itself alone: out is its value, its log-sum-exp its only score;
// dvalue is dout, summed over the heads of a group, and the other gradients are 0. bfloat16.
void attend_padding(const core::Tensor& padding, const core::Tensor& qkv,
                    const AttentionShape& shape, const core::Tensor& out, const core::Tensor& lse);
void attend_padding_backward(const core::Tensor& padding, const core::Tensor& dout,
                             const AttentionShape& shape, const core::Tensor& dqkv);

}  // namespace unfold::gsa::kernels::cuda
