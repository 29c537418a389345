#include "core/dtype.h"

#include <array>
#include <utility>

#include "core/error.h"

namespace unfold::core {
namespace {

constexpr std::array<std::pair<DType, std::string_view>, 7> kNames = {{
    {DType::float64, "float64"},
    {DType::float32, "float32"},
    {DType::bfloat16, "bfloat16"},
    {DType::int64, "int64"},
    {DType::int32, "int32"},
    {DType::uint8, "uint8"},
    {DType::boolean, "bool"},
}};

}  // namespace

std::string_view name_of(DType dtype) {
  for (const auto& [value, name] : kNames) {
    if (value == dtype) return name;
  }
  return "unknown";
}

DType dtype_from_name(std::string_view name) {
  for (const auto& [value, text] : kNames) {
    if (text == name) return value;
  }
  fail("dtype",
       "unknown element type '{}': use float64, float32, bfloat16, int64, int32, uint8 or bool",
       name);
}

}  // namespace unfold::core
