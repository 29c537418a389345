// Logits against those of transformers, on the files of tests/golden/make_hugging_face.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "autograd/variable.h"
#include "models/formats/hugging_face_folder.h"
#include "models/formats/import.h"
#include "tests/models/tiny.h"

namespace unfold::models {
namespace {

namespace fs = std::filesystem;
using core::DType;
using core::Tensor;

const fs::path kGolden = fs::path(UNFOLD_SOURCE_DIR) / "tests" / "golden" / "hugging_face";

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kGolden)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class HuggingFaceGolden : public testing::TestWithParam<std::string> {
 protected:
  HuggingFaceGolden()
      : source_(kGolden / GetParam()), expected_(kGolden / GetParam() / "expected.safetensors") {}

  Decoder import(int gist_levels) const {
    Decoder decoder(source_.config(), gist_levels, DType::float32, {}, 1);
    import_weights(source_, decoder);
    return decoder;
  }
  std::vector<double> expected(const std::string& name) const {
    const SafetensorsEntry* entry = expected_.find(name);
    EXPECT_NE(entry, nullptr) << name;
    return expected_.read(*entry, DType::float64).to_vector<double>();
  }
  template <typename T>
  std::vector<T> integers(const std::string& name) const {
    const std::vector<double> values = expected(name);
    return {values.begin(), values.end()};
  }

  HuggingFaceFolder source_;
  SafetensorsFile expected_;
};

std::vector<double> logits_of(Decoder& decoder, const std::vector<std::int32_t>& ids,
                              const gsa::Layout& layout, const gsa::GistConfig& gist,
                              gsa::Visibility visibility) {
  const autograd::NoGrad no_grad;
  BlockAttention attention(
      std::make_shared<const gsa::BlockMap>(gsa::make_block_map(layout, gist, visibility)));
  const Tensor hidden = decoder
                            .hidden(Tensor::from(ids, {layout.size()}),
                                    Tensor::from(layout.rope, {layout.size()}), attention)
                            .value();
  return decoder.logits(hidden).to(DType::float64).to_vector<double>();
}

TEST_P(HuggingFaceGolden, LogitsAreThoseOfTransformers) {
  Decoder decoder = import(0);
  const auto ids = integers<std::int32_t>("ids");
  const gsa::Layout layout = one_row(std::vector<std::int8_t>(ids.size(), -1), 0);
  gsa::GistConfig plain;
  plain.chunks.clear();
  const auto logits = logits_of(decoder, ids, layout, plain, gsa::Visibility::causal);
  EXPECT_LE(largest_difference(logits, expected("logits")), 1e-4);
}

class HuggingFaceGistGolden : public HuggingFaceGolden {};

TEST_P(HuggingFaceGistGolden, LogitsUnderTheGistMaskAreThoseOfTransformers) {
  // The last raw row stands for the gist there: here it is the gist's own row.
  Decoder decoder = import(1);
  for (const char* name : {"embedding.weight", "head.weight"}) {
    const Tensor matrix = decoder.parameter(name).variable.value();
    const std::int64_t rows = matrix.dim(0);
    const auto gist = matrix.slice(0, rows - 2, rows - 1).to_vector<float>();
    std::copy(gist.begin(), gist.end(), matrix.data<float>() + (rows - 1) * matrix.dim(1));
  }
  auto ids = integers<std::int32_t>("gist_ids");
  const auto levels = integers<std::int8_t>("gist_levels");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (levels[i] == 0) ids[i] = static_cast<std::int32_t>(source_.config().vocab_size);
  }
  gsa::GistConfig gist;
  gist.chunks = {4};
  gist.sinks = 1;
  gist.previous_chunks = 1;
  const auto logits = logits_of(decoder, ids, one_row(levels, 1), gist, gsa::Visibility::gist);
  EXPECT_LE(largest_difference(logits, expected("gist_logits")), 1e-4);
  const auto causal = logits_of(decoder, ids, one_row(levels, 1), gist, gsa::Visibility::causal);
  EXPECT_GT(largest_difference(causal, expected("gist_logits")), 1e-2) << "the mask does nothing";
}

INSTANTIATE_TEST_SUITE_P(Cases, HuggingFaceGolden, testing::ValuesIn(golden_names()),
                         [](const auto& named) { return named.param; });
INSTANTIATE_TEST_SUITE_P(Cases, HuggingFaceGistGolden, testing::Values("llama_gist"));

}  // namespace
}  // namespace unfold::models
