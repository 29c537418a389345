# Compiler settings shared by every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

find_program(UNFOLD_CCACHE ccache)
if(UNFOLD_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${UNFOLD_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${UNFOLD_CCACHE})
endif()

add_library(unfold_options INTERFACE)
target_include_directories(unfold_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(unfold_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC's own AVX-512 intrinsics start from undefined registers and set this warning off.
  target_compile_options(unfold_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized -Wno-uninitialized>)
endif()
if(UNFOLD_NATIVE)
  target_compile_options(unfold_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
endif()
# Reproducible arithmetic: the compiler may fuse multiply-add, but never reorders sums.
target_compile_options(unfold_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-fno-fast-math>)

if(UNFOLD_SANITIZE)
  target_compile_options(unfold_options INTERFACE
    -fsanitize=${UNFOLD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1)
  target_link_options(unfold_options INTERFACE -fsanitize=${UNFOLD_SANITIZE})
endif()

set(UNFOLD_WITH_CUDA OFF)
if(NOT UNFOLD_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real CACHE STRING "GPU architectures")
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    # CMake 3.25 does not know that recent nvcc speaks C++20.
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    set(CMAKE_CUDA_STANDARD 20)
    # nvcc's front end cannot evaluate fmt's format strings at compile time; g++ still checks them.
    target_compile_options(unfold_options INTERFACE
      $<$<COMPILE_LANGUAGE:CUDA>:-DFMT_CONSTEVAL= -DFMT_USE_CONSTEXPR=1 -Xcompiler=-Wall,-Wextra>)
    find_package(CUDAToolkit REQUIRED)
    set(UNFOLD_WITH_CUDA ON)
  elseif(UNFOLD_CUDA STREQUAL "ON")
    message(FATAL_ERROR "UNFOLD_CUDA=ON, but nvcc was not found: put it on PATH or set CUDACXX")
  endif()
endif()
message(STATUS "Unfold: CUDA ${UNFOLD_WITH_CUDA}, build type ${CMAKE_BUILD_TYPE}")
