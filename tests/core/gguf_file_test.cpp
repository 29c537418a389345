// The GGUF container: what gguf-py writes is read, and nothing hostile gets past the header.
#include "core/gguf_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <random>

#include "tests/support/gguf_builder.h"
#include "tests/support/temp_folder.h"

namespace unfold::core {
namespace {

using test::GgufBuilder;
using test::user_error;

const std::string kGolden = std::string(UNFOLD_SOURCE_DIR) + "/tests/golden/blocks.gguf";

std::string read_bytes(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

GgufFile open(const std::string& bytes) {
  return {"file.gguf", std::as_bytes(std::span(bytes))};
}

std::string error_of(const std::string& bytes) {
  const std::string message = user_error([&] { open(bytes); });
  EXPECT_NE(message.find("[gguf] file.gguf: "), std::string::npos) << message;
  return message;
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(GgufFile, ReadsWhatThePythonPackageWrites) {
  const GgufFile file{std::filesystem::path(kGolden)};
  EXPECT_EQ(file.version(), 3U);
  EXPECT_EQ(file.integer("test.uint8"), 200);
  EXPECT_EQ(file.integer("test.int8"), -100);
  EXPECT_EQ(file.integer("test.uint16"), 60000);
  EXPECT_EQ(file.integer("test.int16"), -30000);
  EXPECT_EQ(file.integer("test.uint32"), 4000000000);
  EXPECT_EQ(file.integer("test.int32"), -2000000000);
  EXPECT_EQ(file.integer("test.int64"), -(std::int64_t{1} << 62));
  EXPECT_EQ(file.number("test.float32"), 1e-5);
  EXPECT_EQ(file.number("test.float64"), 1e-5);
  EXPECT_EQ(file.number("test.int8"), -100.0);
  EXPECT_EQ(file.boolean("test.bool"), true);
  EXPECT_EQ(file.text("test.string"), "d\u00E9j\u00E0 vu");
  EXPECT_EQ(file.texts("test.strings"), (std::vector<std::string_view>{"a", "", "ccc"}));
  EXPECT_EQ(file.integers("test.integers"), (std::vector<std::int64_t>{3, -1, 2}));
  EXPECT_EQ(file.numbers("test.numbers"), (std::vector<float>{0.5F, -1.25F}));
  EXPECT_FALSE(file.integer("test.none").has_value());
  EXPECT_FALSE(file.has("test.none"));
  EXPECT_HAS(user_error([&] { file.integer("test.uint64"); }),
             "'test.uint64': 9223372036854775808");
  EXPECT_HAS(user_error([&] { file.integer("test.string"); }), "expected an integer");
  EXPECT_HAS(user_error([&] { file.texts("test.integers"); }), "expected an array of strings");
  EXPECT_HAS(user_error([&] { file.texts("test.string"); }), "expected an array of strings");

  EXPECT_EQ(file.tensors().size(), 20U);
  const GgufTensor* tensor = file.find("Q6_K");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->shape, (Shape{3, 512}));
  EXPECT_EQ(tensor->type, GgufType::q6_k);
  EXPECT_EQ(tensor->bytes.size(), 3U * 2U * 210U);
  EXPECT_EQ(file.find("none"), nullptr);
}

TEST(GgufFile, EveryTruncationIsAnErrorThatNamesTheFile) {
  const std::string whole = read_bytes(kGolden);
  ASSERT_GT(whole.size(), 20000U);
  for (std::size_t size = 0; size < whole.size(); size += size < 3000 ? 1 : 977) {
    error_of(whole.substr(0, size));
  }
  error_of(whole.substr(0, whole.size() - 33));
}

TEST(GgufFile, AnyDamagedByteGivesAnErrorOrAFile) {
  const std::string whole = read_bytes(kGolden);
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = whole;
    for (int n = 0; n < 3; ++n) damaged[random() % 2500] = static_cast<char>(random());
    try {
      const GgufFile file = open(damaged);
      std::size_t sum = 0;  // all that a tensor claims is there to be read
      for (const GgufTensor& tensor : file.tensors()) {
        for (const std::byte b : tensor.bytes) sum += std::to_integer<std::size_t>(b);
      }
      EXPECT_GE(sum, 0U);
    } catch (const UserError&) {
    }
  }
}

TEST(GgufFile, HostileHeaders) {
  EXPECT_HAS(error_of("GGML" + std::string(100, '\0')), "not a GGUF file");
  EXPECT_HAS(error_of("GG"), "not a GGUF file");
  EXPECT_HAS(error_of(GgufBuilder().build(1)), "version 1: 2 and 3 are read");
  EXPECT_HAS(error_of(GgufBuilder().build(0x03000000)), "big endian");
  EXPECT_EQ(open(GgufBuilder().integer("a", 5).build(2)).integer("a"), 5);
  const auto counts = [](std::uint64_t tensors, std::uint64_t values) {
    return "GGUF" + GgufBuilder::raw(std::uint32_t{3}) + GgufBuilder::raw(tensors) +
           GgufBuilder::raw(values) + std::string(200, '\0');
  };
  EXPECT_HAS(error_of(counts(std::uint64_t{1} << 40, 0)), "1099511627776 tensors do not fit");
  EXPECT_HAS(error_of(counts(~std::uint64_t{0}, 0)), "tensors do not fit");
  EXPECT_HAS(error_of(counts(0, ~std::uint64_t{0})), "metadata values do not fit");
  EXPECT_HAS(error_of(counts(0, 3)), "metadata value 0: the name is not printable ASCII");
}

TEST(GgufFile, HostileMetadata) {
  const auto raw32 = [](std::uint32_t n) { return GgufBuilder::raw(n); };
  const auto raw64 = [](std::uint64_t n) { return GgufBuilder::raw(n); };
  const auto with = [](std::uint32_t type, const std::string& bytes) {
    return error_of(GgufBuilder().value("key", type, bytes).build());
  };
  EXPECT_HAS(with(13, std::string(8, 'x')), "metadata 'key': unknown value type 13");
  EXPECT_HAS(with(7, "\2"), "metadata 'key': neither true nor false");
  EXPECT_HAS(with(8, raw64(1000) + "abc"), "metadata 'key': runs over the end");
  EXPECT_HAS(with(8, raw64(~std::uint64_t{0}) + "abc"), "runs over the end");
  EXPECT_HAS(with(9, raw32(12) + raw64(std::uint64_t{1} << 61)), "runs over the end");
  EXPECT_HAS(with(9, raw32(0) + raw64(~std::uint64_t{0})), "runs over the end");
  EXPECT_HAS(with(9, raw32(8) + raw64(std::uint64_t{1} << 50)), "runs over the end");
  EXPECT_HAS(with(9, raw32(77) + raw64(0)), "unknown value type 77");
  EXPECT_HAS(with(9, raw32(77) + raw64(1)), "unknown value type 77");
  std::string deep;
  for (int i = 0; i < 50; ++i) deep += raw32(9) + raw64(1);
  EXPECT_HAS(with(9, deep), "arrays in arrays too deep");
  EXPECT_HAS(error_of(GgufBuilder().integer("k", 1).integer("k", 2).build()), "'k': given twice");
  EXPECT_HAS(error_of(GgufBuilder().integer("a\nb", 1).build()), "not printable ASCII");
  EXPECT_HAS(error_of(GgufBuilder().integer("", 1).build()), "not printable ASCII");
}

TEST(GgufFile, HostileTensors) {
  const std::string data(4096, '\0');
  const auto with = [&](const std::vector<std::uint64_t>& extents, std::uint32_t type,
                        std::uint64_t offset = 0) {
    return error_of(GgufBuilder().info("t", extents, type, offset).data(4096).build());
  };
  EXPECT_HAS(with({32, 4}, 10), "tensor 't': its type Q2_K is not read");
  EXPECT_HAS(with({32, 4}, 23), "its type IQ4_XS is not read");
  EXPECT_HAS(with({32, 4}, 4), "its type Q4_2 is not read");
  EXPECT_HAS(with({32, 4}, 12345), "its type number 12345 is not read");
  EXPECT_HAS(with({}, 0), "0 dimensions");
  EXPECT_HAS(with({1, 1, 1, 1, 1}, 0), "5 dimensions");
  EXPECT_HAS(with({0, 4}, 0), "an extent of 0 is out of range");
  EXPECT_HAS(with({std::uint64_t{1} << 63}, 0), "out of range");
  EXPECT_HAS(with({std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0), "out of range");
  EXPECT_HAS(with({std::uint64_t{1} << 31, std::uint64_t{1} << 31}, 0), "more than the file holds");
  EXPECT_HAS(with({48, 4}, 2), "rows of 48 values are not whole Q4_0 blocks of 32");
  EXPECT_HAS(with({8, 4}, 0, 8), "offset 8 is not a multiple of 32");
  EXPECT_HAS(with({8, 4}, 0, 4096), "run over the end of the file");
  EXPECT_HAS(with({8, 4}, 0, ~std::uint64_t{31}), "run over the end of the file");
  EXPECT_HAS(with({1032}, 0), "run over the end of the file");
  EXPECT_HAS(error_of(GgufBuilder().info("t", {8}, 0, 0).info("t", {8}, 0, 32).data(64).build()),
             "tensor 't': given twice");
  EXPECT_HAS(error_of(GgufBuilder().info("a", {16}, 0, 0).info("b", {8}, 0, 32).data(64).build()),
             "tensor 'b': overlaps another tensor");
  for (const std::uint32_t alignment : {0U, 12U, 1U << 31}) {
    EXPECT_HAS(error_of(GgufBuilder()
                            .integer("general.alignment", alignment)
                            .info("t", {8}, 0, 0)
                            .data(4096)
                            .build()),
               "general.alignment");
  }
}

TEST(GgufFile, FilesThatCannotBeMapped) {
  const test::TempFolder folder;
  EXPECT_HAS(user_error([&] { GgufFile(folder / "none.gguf"); }), "none.gguf");
  std::ofstream(folder / "empty.gguf");
  EXPECT_HAS(user_error([&] { GgufFile(folder / "empty.gguf"); }), "empty.gguf");
}

}  // namespace
}  // namespace unfold::core
