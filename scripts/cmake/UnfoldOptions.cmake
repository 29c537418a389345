# Compiler settings shared by every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

find_program(UNFOLD_CCACHE ccache)
mark_as_advanced(UNFOLD_CCACHE)
foreach(language IN ITEMS CXX CUDA)
  if(UNFOLD_CCACHE AND NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
    set(CMAKE_${language}_COMPILER_LAUNCHER ${UNFOLD_CCACHE})
  endif()
endforeach()

add_library(unfold_options INTERFACE)
target_include_directories(unfold_options INTERFACE ${PROJECT_SOURCE_DIR})
set(warnings -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
target_compile_options(unfold_options INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:${warnings};-Wpedantic>")
if(UNFOLD_WERROR)
  target_compile_options(unfold_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
# GCC 13 takes every accessor that returns a reference for a dangling one; GCC 14 mended it. It also
# sees copies of short lists run over their end (memmove of a vector made of {4}): said, no error.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13
   AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  target_compile_options(unfold_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-dangling-reference>
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-error=array-bounds>
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-error=stringop-overflow>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC's own AVX-512 intrinsics start from undefined registers and set these off; so does code
  # instrumented by the sanitizers.
  target_compile_options(unfold_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-uninitialized>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Files of heavy templates: GCC frees its own garbage only from 512 MB on, not from 128. The code is
  # the same, there up to a tenth sooner.
  target_compile_options(unfold_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:--param=ggc-min-heapsize=524288>)
endif()
if(UNFOLD_NATIVE)
  target_compile_options(unfold_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
endif()
# Reproducible arithmetic: the compiler may fuse multiply-add, but never reorders sums.
target_compile_options(unfold_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-fno-fast-math>)
# The standard library's own bounds checks: cheap, but not where speed is measured.
target_compile_definitions(unfold_options INTERFACE
  $<$<NOT:$<CONFIG:Release>>:_GLIBCXX_ASSERTIONS>)

if(UNFOLD_SANITIZE)
  # -O1 -g1: reports need lines, not variables, and -g takes a third longer to build.
  target_compile_options(unfold_options INTERFACE
    -fsanitize=${UNFOLD_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1)
  target_link_options(unfold_options INTERFACE -fsanitize=${UNFOLD_SANITIZE})
endif()

if(UNFOLD_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "UNFOLD_FUZZ needs clang: set CMAKE_CXX_COMPILER, or use scripts/fuzz.sh")
  endif()
  target_compile_options(unfold_options INTERFACE -fsanitize=fuzzer-no-link)
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16)
    target_compile_options(unfold_options INTERFACE
      "SHELL:-include ${PROJECT_SOURCE_DIR}/tests/fuzz/source_location.h")
  endif()
endif()

include(UnfoldCuda)
message(STATUS "Unfold ${PROJECT_VERSION}: CUDA ${UNFOLD_WITH_CUDA}, build type ${CMAKE_BUILD_TYPE}")
