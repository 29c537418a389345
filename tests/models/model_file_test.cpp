#include "models/formats/model_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/hdf5_tensor.h"
#include "core/kernels/elementwise.h"
#include "tests/support/temp_folder.h"

namespace unfold::models {
namespace {

namespace fs = std::filesystem;
namespace hdf5 = core::hdf5;
using core::DType;

ModelDescription small() {
  ModelDescription description;
  description.decoder.vocab_size = 20;
  description.decoder.width = 8;
  description.decoder.layers = 2;
  description.decoder.heads = 2;
  description.decoder.kv_heads = 1;
  description.decoder.ffn = 12;
  description.gist.chunks = {4, 2};
  description.tokenizer_fingerprint = "byte:1234";
  return description;
}

Decoder make(const ModelDescription& description, DType dtype, std::uint64_t seed) {
  return Decoder(description.decoder, description.gist.levels(), dtype, core::Device{}, seed);
}

std::vector<std::vector<double>> values(const Decoder& decoder) {
  std::vector<std::vector<double>> all;
  for (const Parameter& parameter : decoder.parameters()) {
    all.push_back(parameter.variable.value().to(DType::float64).to_vector<double>());
  }
  return all;
}

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void write(const fs::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

TEST(ModelFile, RoundTripIsExactForEveryType) {
  const test::TempFolder folder;
  for (const bool tied : {true, false}) {
    for (const DType dtype : {DType::float32, DType::float64, DType::bfloat16}) {
      ModelDescription description = small();
      description.decoder.tied_embeddings = tied;
      description.decoder.qkv_bias = !tied;
      const Decoder source = make(description, dtype, 1);
      const fs::path file = folder / "model.h5";
      write_model(file, source, description);
      const ModelDescription read_back = read_model_description(file);
      EXPECT_EQ(read_back.decoder, description.decoder);
      EXPECT_EQ(read_back.gist, description.gist);
      EXPECT_EQ(read_back.tokenizer_fingerprint, description.tokenizer_fingerprint);
      Decoder target = make(description, dtype, 2);
      ASSERT_NE(values(target), values(source));
      std::size_t kept = 0;
      read_weights(file, target, [&](const Parameter& parameter, const core::Tensor& value) {
        EXPECT_EQ(value.shape(), parameter.spec.shape);
        EXPECT_EQ(value.dtype(), core::accumulator_of(dtype));
        ++kept;
      });
      EXPECT_EQ(values(target), values(source));
      EXPECT_EQ(kept, source.parameters().size() - (tied ? 1 : 0));
    }
  }
}

TEST(ModelFile, EqualModelsAreEqualBytes) {
  const test::TempFolder folder;
  const Decoder decoder = make(small(), DType::float32, 1);
  write_model(folder / "a.h5", decoder, small());
  write_model(folder / "b.h5", decoder, small());
  EXPECT_EQ(read(folder / "a.h5"), read(folder / "b.h5"));
  write_model(folder / "b.h5", make(small(), DType::float32, 2), small());
  EXPECT_NE(read(folder / "a.h5"), read(folder / "b.h5"));
}

TEST(ModelFile, StoresTheWeightsItIsGiven) {
  const test::TempFolder folder;
  const Decoder decoder = make(small(), DType::bfloat16, 1);
  write_model(folder / "model.h5", decoder, small(), [](const Parameter& parameter) {
    return core::Tensor::full(parameter.spec.shape, 1.0 / 3.0, DType::float32);
  });
  Decoder target = make(small(), DType::bfloat16, 2);
  read_weights(folder / "model.h5", target, [](const Parameter&, const core::Tensor& value) {
    for (const float x : value.to_vector<float>()) ASSERT_EQ(x, 1.0f / 3.0f);
  });
}

TEST(ModelFile, TheFirstDifferenceIsNamedWithBothValues) {
  EXPECT_EQ(first_difference(small(), small()), "");
  const auto difference = [](const auto& change) {
    ModelDescription other = small();
    change(other);
    return first_difference(small(), other);
  };
  EXPECT_EQ(difference([](auto& d) { d.decoder.width = 16; }), "model.width is 8 there, 16 here");
  EXPECT_EQ(difference([](auto& d) { d.decoder.qkv_bias = true; }),
            "model.qkv_bias is false there, true here");
  EXPECT_EQ(difference([](auto& d) { d.decoder.architecture = Architecture::qwen2; }),
            "model.architecture is \"llama\" there, \"qwen2\" here");
  EXPECT_EQ(difference([](auto& d) { d.gist.chunks = {8}; }),
            "gist.chunks has 2 levels there, 1 here");
  EXPECT_EQ(difference([](auto& d) { d.tokenizer_fingerprint = "other"; }),
            "the tokenizer is another one");
  // What says nothing about the weights may differ.
  EXPECT_EQ(difference([](auto& d) { d.decoder.dropout = 0.5; }), "");
  EXPECT_EQ(difference([](auto& d) { d.decoder.init_std = 0.5; }), "");
  EXPECT_EQ(difference([](auto& d) { d.gist.chunks = {16, 3}; }), "");
}

TEST(ModelFile, WeightsOfAnotherArchitectureAreRefused) {
  const test::TempFolder folder;
  write_model(folder / "model.h5", make(small(), DType::float32, 1), small());
  ModelDescription other = small();
  other.decoder.layers = 3;
  Decoder decoder = make(other, DType::float32, 2);
  const auto before = values(decoder);
  const std::string error = test::user_error([&] { read_weights(folder / "model.h5", decoder); });
  EXPECT_NE(error.find("model.layers is 2 there, 3 here"), std::string::npos) << error;
  EXPECT_EQ(values(decoder), before);
}

TEST(ModelFile, ForeignFilesAreRefused) {
  const test::TempFolder folder;
  const fs::path file = folder / "model.h5";
  const auto expect = [&](const std::string& part) {
    const std::string error = test::user_error([&] { read_model_description(file); });
    EXPECT_NE(error.find(file.string()), std::string::npos) << error;
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  expect("no such file");
  fs::create_directories(file);
  expect("not a file");
  fs::remove(file);
  write(file, "");
  expect("open it as HDF5");
  write(file, "these are no weights\n");
  expect("open it as HDF5");
  write(file, std::string("\x89HDF\r\n\x1a\n", 8) + std::string(3000, '\xee'));
  expect("open it as HDF5");
  const hdf5::Context context = {"test", file.string(), ""};
  {
    hdf5::Handle handle = hdf5::create_file(context);
    hdf5::finish_file(std::move(handle), context);
  }
  expect("format");
  {
    hdf5::Handle handle = hdf5::create_file(context);
    hdf5::write_attribute(handle.get(), "format", std::string("one"), context);
    hdf5::finish_file(std::move(handle), context);
  }
  expect("another type");
  {
    hdf5::Handle handle = hdf5::create_file(context);
    hdf5::write_attribute(handle.get(), "format", std::int64_t{99}, context);
    hdf5::finish_file(std::move(handle), context);
  }
  expect("format 99");
}

TEST(ModelFile, AMissingOrMisshapenTensorIsNamed) {
  const test::TempFolder folder;
  const Decoder source = make(small(), DType::float32, 1);
  write_model(folder / "good.h5", source, small());
  const fs::path file = folder / "model.h5";
  const hdf5::Context context = {"test", file.string(), ""};
  const std::string name = "weights/layers.1.mlp.down.weight";
  const auto refusal = [&](const auto& change) {
    fs::copy_file(folder / "good.h5", file, fs::copy_options::overwrite_existing);
    {
      const hdf5::Handle handle =
          context.opened(H5Fopen(file.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose, "open it");
      context.checked(H5Ldelete(handle.get(), name.c_str(), H5P_DEFAULT), "delete");
      change(handle.get());
    }
    Decoder decoder = make(small(), DType::float32, 2);
    const std::string error = test::user_error([&] { read_weights(file, decoder); });
    EXPECT_NE(error.find(name), std::string::npos) << error;
  };
  refusal([](hid_t) {});
  const auto with = [&](core::Shape shape, DType dtype) {
    refusal([&](hid_t handle) {
      hdf5::write_tensor(handle, name, core::Tensor::zeros(shape, dtype), context);
    });
  };
  with({8, 13}, DType::float32);
  with({12, 8}, DType::float32);
  with({96}, DType::float32);
  with({8, 12, 1}, DType::float32);
  with({}, DType::float32);
  with({8, 12}, DType::int32);
  with({8, 12}, DType::bfloat16);
}

TEST(ModelFile, Float32AndFloat64OpenInEither) {
  const test::TempFolder folder;
  const fs::path file = folder / "model.h5";
  const Decoder source = make(small(), DType::float32, 1);
  write_model(file, source, small());
  Decoder wide = make(small(), DType::float64, 2);
  read_weights(file, wide);
  EXPECT_EQ(values(wide), values(source));
  write_model(file, wide, small());
  Decoder narrow = make(small(), DType::float32, 3);
  read_weights(file, narrow);
  EXPECT_EQ(values(narrow), values(source));
}

TEST(ModelFile, TruncationIsAnErrorAtEveryLength) {
  const test::TempFolder folder;
  const fs::path file = folder / "model.h5";
  const Decoder source = make(small(), DType::float32, 1);
  write_model(file, source, small());
  const std::string good = read(file);
  Decoder decoder = make(small(), DType::float32, 2);
  for (std::size_t length = 0; length < good.size(); length += 97) {
    write(file, good.substr(0, length));
    test::user_error([&] { read_weights(file, decoder); });
  }
}

}  // namespace
}  // namespace unfold::models
