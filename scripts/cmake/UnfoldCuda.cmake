# Finds nvcc and enables CUDA; sets UNFOLD_WITH_CUDA.
# Architectures: CMAKE_CUDA_ARCHITECTURES, or UNFOLD_CUDA_ARCHITECTURES (default: A100 and H100).
# "90a" is Hopper with wgmma and the bulk copy engine, which plain "90" leaves out.
set(UNFOLD_WITH_CUDA OFF)
if(UNFOLD_CUDA STREQUAL "OFF")
  return()
endif()

# The order CMake keeps (-D, CUDACXX, PATH), and the toolkit's own folder, often not on PATH.
if(NOT CMAKE_CUDA_COMPILER)
  find_program(UNFOLD_NVCC nvcc PATHS ENV CUDA_PATH ENV CUDA_HOME /usr/local/cuda
               PATH_SUFFIXES bin)
  mark_as_advanced(UNFOLD_NVCC)
  if(DEFINED ENV{CUDACXX})
    set(CMAKE_CUDA_COMPILER $ENV{CUDACXX})
  elseif(UNFOLD_NVCC)
    set(CMAKE_CUDA_COMPILER ${UNFOLD_NVCC})
  endif()
endif()

# Says why there is no CUDA: an error when it was asked for, a line when it was not.
macro(unfold_without_cuda reason)
  if(UNFOLD_CUDA STREQUAL "ON")
    message(FATAL_ERROR "UNFOLD_CUDA=ON, but ${reason}")
  endif()
  message(STATUS "Unfold: building without CUDA: ${reason}")
  unset(CMAKE_CUDA_COMPILER)
  return()
endmacro()

if(NOT CMAKE_CUDA_COMPILER)
  unfold_without_cuda("nvcc was not found: put it on PATH or set CUDACXX")
endif()
execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --version
                OUTPUT_VARIABLE nvcc_version ERROR_QUIET RESULT_VARIABLE nvcc_failed)
if(nvcc_failed OR NOT nvcc_version MATCHES "release ([0-9]+\\.[0-9]+)")
  unfold_without_cuda("${CMAKE_CUDA_COMPILER} does not answer --version")
endif()
if(CMAKE_MATCH_1 VERSION_LESS 12.0)
  unfold_without_cuda("${CMAKE_CUDA_COMPILER} is CUDA ${CMAKE_MATCH_1}: 12.0 or newer is needed")
endif()

set(UNFOLD_CUDA_ARCHITECTURES "80-real;90a-real" CACHE STRING "GPU architectures to compile for")
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES ${UNFOLD_CUDA_ARCHITECTURES})
endif()
if(NOT CMAKE_CUDA_HOST_COMPILER AND NOT DEFINED ENV{CUDAHOSTCXX})
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
endif()
enable_language(CUDA)
# CMake 3.25.1 (Debian 12) came out days before the first nvcc with C++20 and does not know its flag.
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
set(CMAKE_CUDA_SEPARABLE_COMPILATION OFF)
find_package(CUDAToolkit REQUIRED)
set(UNFOLD_WITH_CUDA ON)
# cuBLASLt is a shared library, often outside the loader's path: the installed program finds it too.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)

# Code of sm_90a alone (gsa/cuda/wgmma.cuh) is there to be chosen.
if(CMAKE_CUDA_ARCHITECTURES MATCHES "90a")
  set_source_files_properties(gsa/cuda/attention.cu PROPERTIES COMPILE_DEFINITIONS UNFOLD_SM90A)
endif()

# fmt 9 takes nvcc for a compiler without constexpr, which breaks its own compile-time checks.
target_compile_definitions(unfold_options INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:FMT_USE_CONSTEXPR=1>)
# The host compiler's warnings without -Wpedantic, which the code nvcc generates does not pass.
list(JOIN warnings "," host_warnings)
target_compile_options(unfold_options INTERFACE
  "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${host_warnings};-lineinfo;--expt-relaxed-constexpr>")
if(UNFOLD_WERROR)
  target_compile_options(unfold_options INTERFACE
    "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Werror;-Werror=all-warnings>")
endif()
