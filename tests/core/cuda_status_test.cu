// What a failed CUDA call is told as. Needs no GPU: the errors are made up.
#include <gtest/gtest.h>

#include <string>

#include "core/cuda/status.h"
#include "core/error.h"

namespace unfold::core::cuda {
namespace {

std::string user_error(cudaError_t status) {
  try {
    check_status(status, "trying");
  } catch (const UserError& error) {
    return error.what();
  } catch (const Error& error) {
    ADD_FAILURE() << "not a user's error: " << error.what();
  }
  return "";
}

void expect_line(cudaError_t status, const std::string& words) {
  const std::string what = user_error(status);
  EXPECT_EQ(what.rfind("[cuda] trying: ", 0), 0u) << what;
  EXPECT_NE(what.find(words), std::string::npos) << what;
  EXPECT_EQ(what.find('\n'), std::string::npos) << what;
}

TEST(CudaStatus, WhatUsersCanMendIsOneLineThatSaysHow) {
  expect_line(cudaErrorInsufficientDriver, "driver");
  expect_line(cudaErrorCallRequiresNewerDriver, "driver");
  expect_line(cudaErrorStubLibrary, "is a stub");
  expect_line(cudaErrorNoDevice, "no GPU was found");
  expect_line(cudaErrorNoKernelImageForDevice, "UNFOLD_CUDA_ARCHITECTURES");
  expect_line(cudaErrorUnsupportedPtxVersion, "UNFOLD_CUDA_ARCHITECTURES");
  expect_line(cudaErrorMemoryAllocation, "train.micro_rows");
  expect_line(cudaErrorMemoryAllocation, "nvidia-smi");
  expect_line(cudaErrorDevicesUnavailable, "another process");
  expect_line(cudaErrorSystemDriverMismatch, "nvidia-smi");
}

TEST(CudaStatus, TheRestIsABugWithItsPlace) {
  EXPECT_NO_THROW(check_status(cudaSuccess, "trying"));
  try {
    check_status(cudaErrorIllegalAddress, "trying");
    FAIL() << "must throw";
  } catch (const InternalError& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("cudaErrorIllegalAddress"), std::string::npos) << what;
    EXPECT_NE(what.find("CUDA_LAUNCH_BLOCKING"), std::string::npos) << what;
    EXPECT_NE(what.find("cuda_status_test.cu"), std::string::npos) << what;
  }
  EXPECT_THROW(check_status(cudaErrorInvalidValue, "trying"), InternalError);
}

}  // namespace
}  // namespace unfold::core::cuda
