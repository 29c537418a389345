# Every library Unfold links, in one place: read by the build, and by unfoldConfig.cmake of an
# installed Unfold, whose static libraries need the same ones. Package names: scripts/setup.sh.
# Any of them may also come from a prefix (CMAKE_PREFIX_PATH).
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(yaml-cpp REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
# Conversions of paths and ranges, which nothing here asks for: a quarter of the header's time.
target_compile_definitions(nlohmann_json::nlohmann_json INTERFACE
  JSON_HAS_FILESYSTEM=0 JSON_HAS_EXPERIMENTAL_FILESYSTEM=0 JSON_HAS_RANGES=0)
find_package(CLI11 REQUIRED)
find_package(PCRE2 REQUIRED)
find_package(utf8proc REQUIRED)

# yaml-cpp 0.7 (Debian 12) names its target yaml-cpp, 0.8 (Ubuntu 24.04) yaml-cpp::yaml-cpp.
if(NOT TARGET yaml-cpp::yaml-cpp)
  add_library(yaml-cpp::yaml-cpp INTERFACE IMPORTED)
  set_target_properties(yaml-cpp::yaml-cpp PROPERTIES INTERFACE_LINK_LIBRARIES yaml-cpp)
endif()
