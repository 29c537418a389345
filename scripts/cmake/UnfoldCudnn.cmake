# Decides whether full attention may run on cuDNN; sets UNFOLD_WITH_CUDNN.
# It takes cuDNN 9 (cudnn.h, libcudnn) and the header-only cudnn-frontend 1 (cudnn_frontend.h), each
# from the system, from beside the CUDA toolkit or from a prefix (CMAKE_PREFIX_PATH).
set(UNFOLD_WITH_CUDNN OFF)
if(UNFOLD_CUDNN STREQUAL "OFF" OR (NOT UNFOLD_WITH_CUDA AND NOT UNFOLD_CUDNN STREQUAL "ON"))
  return()
endif()

# Says why there is no cuDNN: an error when it was asked for, a line when it was not.
macro(unfold_without_cudnn reason)
  if(UNFOLD_CUDNN STREQUAL "ON")
    message(FATAL_ERROR "UNFOLD_CUDNN=ON, but ${reason}")
  endif()
  message(STATUS "Unfold: full attention without cuDNN: ${reason}")
  return()
endmacro()

if(NOT UNFOLD_WITH_CUDA)
  unfold_without_cudnn("this is a build without CUDA")
endif()
find_package(cuDNN 9.1 QUIET)
if(NOT cuDNN_FOUND)
  unfold_without_cudnn("cuDNN 9 (cudnn.h, libcudnn) was not found")
endif()
if(NOT CUDA_nvrtc_LIBRARY)  # cudnn-frontend refers to it
  unfold_without_cudnn("the CUDA toolkit has no NVRTC (libnvrtc)")
endif()
find_path(UNFOLD_CUDNN_FRONTEND cudnn_frontend.h)
mark_as_advanced(UNFOLD_CUDNN_FRONTEND)
if(NOT UNFOLD_CUDNN_FRONTEND)
  unfold_without_cudnn("cudnn_frontend.h was not found: unpack cudnn-frontend and name it in \
CMAKE_PREFIX_PATH")
endif()
set(UNFOLD_WITH_CUDNN ON)
message(STATUS "Unfold: full attention on cuDNN ${cuDNN_VERSION} (${cuDNN_LIBRARY}), "
               "cudnn-frontend in ${UNFOLD_CUDNN_FRONTEND}")
