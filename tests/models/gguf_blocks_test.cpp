// GGUF encodings against the values of the Python package gguf (tests/golden/make_gguf.py).
#include "models/formats/gguf_blocks.h"

#include <gtest/gtest.h>

#include <bit>

namespace unfold::models {
namespace {

const core::GgufFile& golden() {
  static const core::GgufFile file{
      std::filesystem::path(std::string(UNFOLD_SOURCE_DIR) + "/tests/golden/blocks.gguf")};
  return file;
}

class GgufBlocks : public testing::TestWithParam<const char*> {
 protected:
  const core::GgufTensor& tensor() const { return *golden().find(GetParam()); }
  std::vector<float> expected() const {
    const core::GgufTensor& floats = *golden().find(std::string(GetParam()) + ".float");
    EXPECT_EQ(floats.shape, tensor().shape);
    return read_gguf_tensor(floats, core::DType::float32).to_vector<float>();
  }
};

TEST_P(GgufBlocks, ValuesAreThoseOfThePythonPackageBitForBit) {
  const core::Tensor read = read_gguf_tensor(tensor(), core::DType::float32);
  EXPECT_EQ(read.shape(), tensor().shape);
  const std::vector<float> values = read.to_vector<float>();
  const std::vector<float> wanted = expected();
  ASSERT_EQ(values.size(), wanted.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]), std::bit_cast<std::uint32_t>(wanted[i]))
        << "value " << i << ": " << values[i] << ", " << wanted[i];
  }
}

TEST_P(GgufBlocks, Bfloat16IsTheRoundedFloat) {
  const core::Tensor read = read_gguf_tensor(tensor(), core::DType::bfloat16);
  const std::vector<float> wanted = expected();
  const auto* values = read.data<core::bfloat16>();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_EQ(values[i].bits, core::bfloat16(wanted[i]).bits) << "value " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Encodings, GgufBlocks,
                         testing::Values("F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1",
                                         "Q4_K", "Q5_K", "Q6_K"),
                         [](const auto& test) { return std::string(test.param); });

TEST(GgufBlocksOrder, InterleavedHeadsComeOutInHalves) {
  // Two heads of 6 rows: pairs (0, 1), (2, 3), (4, 5) of the file are rows (0, 3), (1, 4), (2, 5).
  std::vector<float> values(24);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i / 2);
  core::GgufTensor tensor;
  tensor.shape = {12, 2};
  tensor.bytes = std::as_bytes(std::span(values));
  const core::Tensor read = read_gguf_tensor(tensor, core::DType::float32, 6);
  EXPECT_EQ(read.slice(1, 0, 1).contiguous().to_vector<float>(),
            (std::vector<float>{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}));
  EXPECT_EQ(read.slice(1, 1, 2).contiguous().to_vector<float>(),
            (std::vector<float>{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}));
  tensor.shape = {24};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  EXPECT_EQ(read_gguf_tensor(tensor, core::DType::float32, 4).to_vector<float>(),
            (std::vector<float>{0,  2,  1,  3,  4,  6,  5,  7,  8,  10, 9,  11,
                                12, 14, 13, 15, 16, 18, 17, 19, 20, 22, 21, 23}));
}

}  // namespace
}  // namespace unfold::models
