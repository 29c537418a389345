// Tests that need a GPU.
#pragma once

#include <gtest/gtest.h>

#include "core/device.h"

// Skips the test where there is no GPU, and says why there is none.
#define UNFOLD_NEEDS_GPU() \
  if (::unfold::core::cuda_device_count() == 0) GTEST_SKIP() << ::unfold::core::describe_cuda()
