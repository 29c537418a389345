#include "gsa/cuda/cudnn_documents.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "core/error.h"

namespace unfold::gsa::kernels::cuda {
namespace {

constexpr std::int64_t kLeastLength = 256;
// Tokens of a batch, where memory allows: blocks enough to fill a GPU.
constexpr std::int64_t kBatchTokens = 32768;

std::int64_t round_up(std::int64_t length) {
  return static_cast<std::int64_t>(
      std::bit_ceil(static_cast<std::uint64_t>(std::max(length, kLeastLength))));
}

// Sequences of a batch of `count` documents or more.
std::int64_t batch_size(std::int64_t count, std::int64_t length, std::int64_t heads) {
  const std::int64_t most = std::max<std::int64_t>(
      1, std::min(kBatchTokens / length, kScoreBytes / score_bytes(heads, length)));
  auto size = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(most)));
  while (size / 4 >= count) size /= 4;
  return size;
}

// Appends values at a multiple of 16 bytes, and says where.
std::int64_t append(std::vector<std::int32_t>& indices, const std::vector<std::int32_t>& values) {
  indices.resize((indices.size() + 3) / 4 * 4, 0);
  const auto at = static_cast<std::int64_t>(indices.size());
  indices.insert(indices.end(), values.begin(), values.end());
  return at;
}

// Offsets of the first tokens; empty sequences stand at the end of the last document.
std::vector<std::int32_t> offsets_of(std::span<const TokenSpan> documents, std::int64_t sequences,
                                     std::int64_t stride) {
  std::vector<std::int32_t> offsets;
  for (const TokenSpan& document : documents) {
    offsets.push_back(static_cast<std::int32_t>(document.begin * stride));
  }
  const std::int64_t end = documents.back().begin + documents.back().length;
  offsets.resize(static_cast<std::size_t>(sequences) + 1, static_cast<std::int32_t>(end * stride));
  return offsets;
}

CudnnDocuments make_documents(const BlockMap& map, const AttentionShape& shape,
                              core::Device device) {
  CudnnDocuments made;
  made.heads = shape.heads;
  made.kv_heads = shape.kv_heads;
  made.width = shape.width;
  const std::int64_t tokens = map.rows() * map.length();
  core::check(tokens * shape.qkv_width() < (std::int64_t{1} << 31), "attention",
              "{} tokens of {} elements: offsets beyond 32 bits", tokens, shape.qkv_width());
  std::map<std::int64_t, std::vector<TokenSpan>> by_length;
  std::vector<std::int32_t> padding;
  std::int64_t next = 0;
  for (const TokenSpan& document : map.causal_documents) {
    by_length[round_up(document.length)].push_back(document);
    for (; next < document.begin; ++next) padding.push_back(static_cast<std::int32_t>(next));
    next = document.begin + document.length;
  }
  for (; next < tokens; ++next) padding.push_back(static_cast<std::int32_t>(next));

  std::vector<std::int32_t> indices;
  for (const auto& [length, documents] : by_length) {
    std::span<const TokenSpan> rest = documents;
    while (!rest.empty()) {
      const auto left = static_cast<std::int64_t>(rest.size());
      const std::int64_t sequences = batch_size(left, length, shape.heads);
      const auto taken = rest.first(static_cast<std::size_t>(std::min(left, sequences)));
      rest = rest.subspan(taken.size());
      std::vector<std::int32_t> lengths;
      for (const TokenSpan& document : taken) lengths.push_back(document.length);
      lengths.resize(static_cast<std::size_t>(sequences), 0);
      made.batches.push_back({sequences, length, append(indices, lengths),
                              append(indices, offsets_of(taken, sequences, shape.qkv_width())),
                              append(indices, offsets_of(taken, sequences, shape.out_width())),
                              append(indices, offsets_of(taken, sequences, shape.heads))});
    }
  }
  made.indices = core::Tensor::from(indices, {static_cast<std::int64_t>(indices.size())}, device);
  made.padding = core::Tensor::from(padding, {static_cast<std::int64_t>(padding.size())}, device);
  return made;
}

}  // namespace

std::shared_ptr<const CudnnDocuments> cudnn_documents(const BlockMap& map,
                                                      const AttentionShape& shape,
                                                      core::Device device) {
  auto documents = map.documents_copy.get<CudnnDocuments>(
      device, [&] { return make_documents(map, shape, device); });
  // One map serves the layers of one model, which have one shape.
  if (documents->heads != shape.heads || documents->kv_heads != shape.kv_heads ||
      documents->width != shape.width) {
    return std::make_shared<const CudnnDocuments>(make_documents(map, shape, device));
  }
  return documents;
}

}  // namespace unfold::gsa::kernels::cuda
