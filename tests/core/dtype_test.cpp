#include "core/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/device.h"
#include "core/error.h"

namespace unfold::core {
namespace {

float rounded(float value) {
  return static_cast<float>(bfloat16(value));
}

TEST(BFloat16, EveryValueSurvivesTheWayThroughFloat) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    bfloat16 value;
    value.bits = static_cast<std::uint16_t>(bits);
    const float wide = static_cast<float>(value);
    const bfloat16 back(wide);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(back))) << bits;
    } else {
      ASSERT_EQ(back.bits, value.bits);
    }
  }
}

TEST(BFloat16, RoundsToNearestTiesToEven) {
  EXPECT_EQ(rounded(1.0f + 0x1p-8f), 1.0f);                       // tie, down to even
  EXPECT_EQ(rounded(1.0f + 0x1p-7f + 0x1p-8f), 1.0f + 0x1p-6f);   // tie, up to even
  EXPECT_EQ(rounded(1.0f + 0x1p-8f + 0x1p-20f), 1.0f + 0x1p-7f);  // just above the tie
  EXPECT_EQ(rounded(1.0f + 0x1p-8f - 0x1p-20f), 1.0f);            // just below
  EXPECT_EQ(rounded(-1.0f - 0x1p-7f - 0x1p-8f), -1.0f - 0x1p-6f);
}

TEST(BFloat16, KeepsInfinitiesNansAndSignedZero) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(rounded(infinity), infinity);
  EXPECT_EQ(rounded(-infinity), -infinity);
  EXPECT_EQ(rounded(std::numeric_limits<float>::max()), infinity);  // rounds up, past the largest
  EXPECT_TRUE(std::isnan(rounded(std::numeric_limits<float>::quiet_NaN())));
  // A NaN whose payload lies in the lower half must not become an infinity.
  EXPECT_TRUE(std::isnan(rounded(std::bit_cast<float>(0x7f800001u))));
  EXPECT_TRUE(std::signbit(rounded(-0.0f)));
}

TEST(DType, NamesRoundTrip) {
  for (const DType dtype : {DType::float64, DType::float32, DType::bfloat16, DType::int64,
                            DType::int32, DType::uint8, DType::boolean}) {
    EXPECT_EQ(dtype_from_name(name_of(dtype)), dtype);
  }
  EXPECT_THROW(dtype_from_name("float16"), UserError);
  EXPECT_THROW(dtype_from_name(""), UserError);
}

TEST(DType, SizesAndAccumulators) {
  EXPECT_EQ(size_of(DType::float64), sizeof(double));
  EXPECT_EQ(size_of(DType::bfloat16), sizeof(bfloat16));
  EXPECT_EQ(size_of(DType::boolean), sizeof(bool));
  EXPECT_EQ(accumulator_of(DType::bfloat16), DType::float32);
  EXPECT_EQ(accumulator_of(DType::float64), DType::float64);
  EXPECT_TRUE(is_floating(DType::bfloat16));
  EXPECT_FALSE(is_floating(DType::int32));
}

TEST(Device, NamesRoundTrip) {
  EXPECT_EQ(device_from_name("cpu"), Device{});
  EXPECT_EQ(device_from_name("cuda"), (Device{DeviceType::cuda, 0}));
  EXPECT_EQ(device_from_name("cuda:3"), (Device{DeviceType::cuda, 3}));
  EXPECT_EQ(name_of(Device{DeviceType::cuda, 3}), "cuda:3");
  EXPECT_EQ(name_of(Device{}), "cpu");
}

TEST(Device, RefusesOtherNames) {
  for (const char* name :
       {"", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:1x", "cuda: 1", "cuda:99999999999999999999"}) {
    EXPECT_THROW(device_from_name(name), UserError) << name;
  }
}

TEST(Device, CudaIsDescribedInOneLine) {
  const std::string text = describe_cuda();
  EXPECT_FALSE(text.empty());
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text.starts_with("no GPU"), cuda_device_count() == 0) << text;
}

}  // namespace
}  // namespace unfold::core
