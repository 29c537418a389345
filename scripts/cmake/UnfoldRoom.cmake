# unfold_room(NAME [OPTIMISE 0|1] [PUBLIC libs...] [PRIVATE libs...])
# A static library unfold_NAME of all NAME/**/*.cpp (and NAME/**/*.cu in a CUDA build).
# Files named *_stub.cpp stand in for CUDA code and are built only without it; cudnn_*.cpp and
# cudnn_*.cu are built only with cuDNN, without_cudnn.cpp only in a CUDA build without it.
# OPTIMISE: the room leaves the hot loops to the rooms below; -O1 builds it in two thirds of the time.
# Installed Unfold exports it as unfold::NAME, without our warnings and processor flags.
function(unfold_room name)
  cmake_parse_arguments(ROOM "" "OPTIMISE" "PUBLIC;PRIVATE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/cli/main\\.cpp$")
  if(UNFOLD_WITH_CUDA)
    list(FILTER sources EXCLUDE REGEX "_stub\\.cpp$")
    file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.cu)
    list(APPEND sources ${cuda_sources})
    if(UNFOLD_WITH_CUDNN)
      list(FILTER sources EXCLUDE REGEX "/without_cudnn\\.cpp$")
    else()
      list(FILTER sources EXCLUDE REGEX "/cudnn_[^/]*$")
    endif()
  else()
    list(FILTER sources EXCLUDE REGEX "/cuda/")
  endif()
  # mpi_* are built only with MPI, nccl_* only with NCCL; without_mpi.cpp and without_nccl.cpp
  # stand in for them. peer_* are what nccl_* use beside NCCL.
  if(NOT UNFOLD_WITH_NCCL)
    list(FILTER sources EXCLUDE REGEX "/comm/peer_[^/]*$")
  endif()
  foreach(library IN ITEMS mpi nccl)
    string(TOUPPER ${library} upper)
    if(UNFOLD_WITH_${upper})
      list(FILTER sources EXCLUDE REGEX "/without_${library}\\.cpp$")
    else()
      list(FILTER sources EXCLUDE REGEX "/comm/${library}_[^/]*$")
    endif()
  endforeach()
  set(options $<BUILD_INTERFACE:unfold_options>)
  if(sources)
    add_library(unfold_${name} STATIC ${sources})
    target_compile_features(unfold_${name} PUBLIC cxx_std_20)
    target_link_libraries(unfold_${name} PUBLIC ${options} ${ROOM_PUBLIC} PRIVATE ${ROOM_PRIVATE})
    if(DEFINED ROOM_OPTIMISE)
      target_compile_options(unfold_${name} PRIVATE
        $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release>>:-O${ROOM_OPTIMISE}>)
    endif()
    if(UNFOLD_WITH_CUDA AND "${name}" STREQUAL "core")
      target_link_libraries(unfold_core PUBLIC CUDA::cudart_static CUDA::cublasLt)
    endif()
    if(UNFOLD_WITH_NCCL AND "${name}" STREQUAL "core")
      target_link_libraries(unfold_core PRIVATE ${NCCL_LIBRARY})
      file(GLOB nccl_sources ${PROJECT_SOURCE_DIR}/core/comm/nccl_*.cpp)
      set_source_files_properties(${nccl_sources} PROPERTIES
        COMPILE_OPTIONS "-isystem${NCCL_INCLUDE_DIR}")
    endif()
    if(UNFOLD_WITH_CUDNN AND "${name}" STREQUAL "gsa")
      # By path, not by target: the flags of all other files stay what they are without cuDNN.
      target_link_libraries(unfold_gsa PRIVATE ${cuDNN_LIBRARY} ${CUDA_nvrtc_LIBRARY})
      set_source_files_properties(gsa/cuda/cudnn_graph.cpp PROPERTIES COMPILE_OPTIONS
        "-isystem${UNFOLD_CUDNN_FRONTEND};-isystem${cuDNN_INCLUDE_DIR}")
    endif()
  else()
    add_library(unfold_${name} INTERFACE)
    target_compile_features(unfold_${name} INTERFACE cxx_std_20)
    target_link_libraries(unfold_${name} INTERFACE ${options} ${ROOM_PUBLIC})
  endif()
  set_target_properties(unfold_${name} PROPERTIES EXPORT_NAME ${name})
  # The header check compiles a room's headers with what the room itself sees.
  set_property(GLOBAL PROPERTY UNFOLD_${name}_LIBRARIES unfold_${name} ${ROOM_PRIVATE})
  set_property(GLOBAL APPEND PROPERTY UNFOLD_ROOMS ${name})
endfunction()

# unfold_room_tests(NAME): the test program test_NAME of all tests/NAME/**/*_test.cpp and helpers
# (and *.cu in a CUDA build).
function(unfold_room_tests name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${name}/*.cpp)
  if(UNFOLD_WITH_CUDA)
    file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${name}/*.cu)
    list(APPEND sources ${cuda_sources})
  endif()
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  target_link_libraries(test_${name} PRIVATE unfold_${name} GTest::gtest_main)
  # Test code runs briefly and is compiled often; the rooms it tests keep their own optimisation.
  target_compile_options(test_${name} PRIVATE
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CONFIG:Release>>:-O1>)
  target_compile_definitions(test_${name} PRIVATE
    UNFOLD_SOURCE_DIR="${PROJECT_SOURCE_DIR}" UNFOLD_PROGRAM="$<TARGET_FILE:unfold>")
  if("${name}" STREQUAL "cli")
    add_dependencies(test_cli unfold)
    target_link_libraries(test_cli PRIVATE yaml-cpp::yaml-cpp)
  endif()
  if("${name}" STREQUAL "data")
    target_link_libraries(test_data PRIVATE HDF5::HDF5)
  endif()
  include(GoogleTest)
  gtest_discover_tests(test_${name} TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT 600)
endfunction()
