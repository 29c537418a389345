#include "models/formats/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "models/formats/half.h"
#include "tests/support/temp_folder.h"

namespace unfold::models {
namespace {

namespace fs = std::filesystem;
using core::DType;
using core::Tensor;

void write(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

std::string length_of(std::uint64_t length) {
  return {reinterpret_cast<const char*>(&length), sizeof length};
}

// A file of this header and that many bytes behind it.
std::string file_of(const std::string& header, std::size_t data) {
  return length_of(header.size()) + header + std::string(data, '\0');
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

class Safetensors : public testing::Test {
 protected:
  // Every refusal is one line that names the file.
  void expect_refused(const std::string& bytes, const std::string& part) {
    write(file_, bytes);
    const std::string error = test::user_error([&] { SafetensorsFile{file_}; });
    EXPECT_NE(error.find(file_.string()), std::string::npos) << error;
    EXPECT_NE(error.find(part), std::string::npos) << error;
  }
  void expect_header_refused(const std::string& header, const std::string& part,
                             std::size_t data = 16) {
    expect_refused(file_of("{" + header + "}", data), part);
  }

  test::TempFolder folder_;
  fs::path file_ = folder_ / "model.safetensors";
};

TEST_F(Safetensors, ReadsWhatItWrites) {
  const Tensor a = Tensor::from(std::vector<float>{1, -2, 0.1f, 4, 5, 6}, {2, 3});
  const Tensor b = Tensor::from(std::vector<float>{0.5f, 3}, {2});
  SafetensorsWriter writer(folder_.path(),
                           {{"b", {2}, DType::bfloat16}, {"a", {2, 3}, DType::float32}});
  writer.write(b);
  writer.write(a);
  writer.finish();
  const auto files = open_safetensors_folder(folder_.path());
  ASSERT_EQ(files.size(), 1u);
  ASSERT_EQ(files[0].entries().size(), 2u);
  EXPECT_EQ(files[0].entries()[0].name, "b");
  EXPECT_EQ(files[0].entries()[0].type, "BF16");
  EXPECT_EQ(files[0].find("c"), nullptr);
  const Tensor read = files[0].read(*files[0].find("a"), DType::float32);
  EXPECT_EQ(read.shape(), a.shape());
  EXPECT_EQ(read.to_vector<float>(), a.to_vector<float>());
  EXPECT_EQ(files[0].read(*files[0].find("b"), DType::float32).to_vector<float>(),
            b.to_vector<float>());
}

TEST_F(Safetensors, LargeModelsAreWrittenInShards) {
  std::vector<SafetensorsPlan> plan;
  for (int i = 0; i < 5; ++i) plan.push_back({"t" + std::to_string(i), {10}, DType::float32});
  SafetensorsWriter writer(folder_.path(), plan, 80);
  for (int i = 0; i < 5; ++i) writer.write(Tensor::full({10}, i, DType::float32));
  writer.finish();
  EXPECT_FALSE(fs::exists(file_));
  EXPECT_TRUE(fs::exists(folder_ / "model-00003-of-00003.safetensors"));
  auto files = open_safetensors_folder(folder_.path());
  ASSERT_EQ(files.size(), 3u);
  EXPECT_EQ(files[2].read(files[2].entries()[0], DType::float32).to_vector<float>(),
            std::vector<float>(10, 4.0f));
  files.clear();
  const auto refused = [&](const std::string& part) {
    const std::string error = test::user_error([&] { open_safetensors_folder(folder_.path()); });
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  const fs::path index = folder_ / "model.safetensors.index.json";
  fs::copy_file(folder_ / "model-00001-of-00003.safetensors", folder_ / "twice.safetensors");
  const std::string one = "\"t0\":\"model-00001-of-00003.safetensors\"";
  write(index, "{\"weight_map\":{" + one + ",\"t1\":\"twice.safetensors\"}}");
  refused("is in");
  write(index, "{\"weight_map\":{" + one + ",\"t9\":\"model-00001-of-00003.safetensors\"}}");
  refused("t9");
  write(index, "{\"weight_map\":{\"t0\":\"missing.safetensors\"}}");
  refused("missing.safetensors");
  for (const char* name : {"../model.safetensors", "/etc/passwd", "", ".hidden"}) {
    write(index, std::string("{\"weight_map\":{\"t0\":\"") + name + "\"}}");
    refused("is no name of a file");
  }
  for (const char* text :
       {"", "{}", "[]", "{\"weight_map\":3}", "{\"weight_map\":{\"a\":3}}", "{"}) {
    write(index, text);
    refused("model.safetensors.index.json");
  }
}

TEST_F(Safetensors, EveryFloatingTypeIsConverted) {
  const std::string header =
      "{" + entry("d", "F64", "[1]", "[0,8]") + "," + entry("f", "F32", "[1]", "[8,12]") + "," +
      entry("h", "F16", "[2]", "[12,16]") + "," + entry("b", "BF16", "[1]", "[16,18]") + "," +
      entry("i", "I32", "[1]", "[18,22]") + "," + entry("e", "F32", "[0,3]", "[22,22]") + "}";
  const double d = -2.5;
  const float f = 0.1f;
  const std::uint16_t h[] = {0x3c01, 0xfc00};
  const std::uint16_t b = core::bfloat16(3.0f).bits;
  std::string bytes = length_of(header.size()) + header;
  bytes.append(reinterpret_cast<const char*>(&d), 8).append(reinterpret_cast<const char*>(&f), 4);
  bytes.append(reinterpret_cast<const char*>(h), 4).append(reinterpret_cast<const char*>(&b), 2);
  write(file_, bytes + "abcd");
  const SafetensorsFile file(file_);
  const auto values = [&](const char* name) {
    return file.read(*file.find(name), DType::float32).to_vector<float>();
  };
  EXPECT_EQ(values("d"), std::vector<float>{-2.5f});
  EXPECT_EQ(values("f"), std::vector<float>{0.1f});
  EXPECT_EQ(values("h"), (std::vector<float>{1.0f + 0x1p-10f, -INFINITY}));
  EXPECT_EQ(values("b"), std::vector<float>{3.0f});
  EXPECT_EQ(file.read(*file.find("e"), DType::float32).shape(), (core::Shape{0, 3}));
  EXPECT_EQ(file.read(*file.find("f"), DType::bfloat16).to(DType::float32).item(),
            static_cast<float>(core::bfloat16(0.1f)));
  const std::string error = test::user_error([&] { file.read(*file.find("i"), DType::float32); });
  EXPECT_NE(error.find("tensor i: holds I32"), std::string::npos) << error;
}

TEST_F(Safetensors, HalfPrecisionIsExact) {
  EXPECT_EQ(half_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(half_to_float(0x03ff), 1023 * 0x1p-24f);
  EXPECT_EQ(half_to_float(0x0400), 0x1p-14f);
  EXPECT_EQ(half_to_float(0x7bff), 65504.0f);
  EXPECT_EQ(half_to_float(0xc000), -2.0f);
  EXPECT_TRUE(std::signbit(half_to_float(0x8000)));
  EXPECT_TRUE(std::isnan(half_to_float(0x7e00)));
}

TEST_F(Safetensors, TruncationIsAnErrorAtEveryLength) {
  const std::string good = file_of("{" + entry("a", "F32", "[2,2]", "[0,16]") + "}", 16);
  for (std::size_t length = 0; length < good.size(); ++length) {
    expect_refused(good.substr(0, length), "");
  }
  expect_refused(good + "x", "follow the header");
  write(file_, good);
  EXPECT_EQ(SafetensorsFile(file_).entries().size(), 1u);
}

TEST_F(Safetensors, HeadersThatLieAboutTheFileAreRefused) {
  expect_refused(length_of(100) + "{}", "truncated, or not safetensors");
  expect_refused(length_of(std::numeric_limits<std::uint64_t>::max()) + "{}", "truncated");
  expect_refused(length_of(std::uint64_t{1} << 63) + "{}", "truncated");
  expect_refused("\x89HDF\r\n\x1a\n and more", "truncated");
  expect_refused(file_of("[]", 0), "no JSON object");
  expect_refused(file_of("{", 0), "not JSON");
  expect_refused(file_of("{\"a\": 1e999}", 0), "out of range");
  expect_refused(file_of(std::string("{\"\xff\":1}"), 0), "not JSON");
  expect_refused(file_of(std::string(1 << 20, '['), 0), "nested too deeply");
  expect_refused(file_of(std::string(17 << 20, ' '), 0), "a header of");
}

TEST_F(Safetensors, EntriesThatCannotBeAreRefused) {
  expect_header_refused("\"a\":3", "tensor \"a\"");
  expect_header_refused("\"a\":{}", "expected dtype");
  expect_header_refused(entry("a", "F33", "[4]", "[0,16]"), "unknown dtype");
  expect_header_refused(entry("a", "F32", "[4.5]", "[0,16]"), "its shape holds");
  expect_header_refused(entry("a", "F32", "[-4]", "[0,16]"), "its shape holds");
  expect_header_refused(entry("a", "F32", "4", "[0,16]"), "its shape is no list");
  expect_header_refused(entry("a", "F32", "[[4]]", "[0,16]"), "nested too deeply");
  expect_header_refused(entry("a", "F32", "[1,1,1,1,1,1,1,1,4]", "[0,16]"), "at most 8");
  expect_header_refused(entry("a", "F32", "[18446744073709551615]", "[0,16]"), "its shape holds");
  expect_header_refused(entry("a", "F32", "[1099511627776,1099511627776]", "[0,16]"), "too large");
  // 2^62 * 4 bytes would wrap to nothing.
  expect_header_refused(entry("a", "F32", "[1073741824,1073741824,4]", "[0,0]"), "too large", 0);
  expect_header_refused(entry("a", "F32", "[4]", "[0,12]"), "its offsets span 12");
  expect_header_refused(entry("a", "F32", "[4]", "[0]"), "lie outside");
  expect_header_refused(entry("a", "F32", "[4]", "[16,0]"), "lie outside");
  expect_header_refused(entry("a", "F32", "[4]", "[-4,12]"), "lie outside");
  expect_header_refused(entry("a", "F32", "[4]", "[4,20]"), "lie outside");
  expect_header_refused(entry("a", "F32", "[4]", "[0,18446744073709551615]"), "lie outside");
  expect_header_refused(entry("a", "F32", "[2]", "[8,16]"), "begins at byte 8");
  expect_header_refused(
      entry("a", "F32", "[3]", "[0,12]") + "," + entry("b", "F32", "[2]", "[8,16]"),
      "begins at byte 8 where the one before ends at 12");
  expect_header_refused(
      entry("a", "F32", "[2]", "[0,8]") + "," + entry("a", "F32", "[2]", "[8,16]"),
      "\"a\" stands twice");
  expect_header_refused(
      "\"a\":{\"dtype\":\"F32\",\"dtype\":\"F16\",\"shape\":[4],"
      "\"data_offsets\":[0,16]}",
      "\"dtype\" stands twice");
}

TEST_F(Safetensors, AFolderWithoutWeightsSaysSo) {
  const std::string error = test::user_error([&] { open_safetensors_folder(folder_.path()); });
  EXPECT_NE(error.find("no model.safetensors there"), std::string::npos) << error;
}

}  // namespace
}  // namespace unfold::models
