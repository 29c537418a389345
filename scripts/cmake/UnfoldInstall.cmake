# cmake --install: program, static libraries, headers by room, configs, and a CMake package:
#   find_package(unfold REQUIRED)
#   target_link_libraries(my_program PRIVATE unfold::core)   # then #include "core/error.h"
# Rooms keep their paths below include/unfold, so that "core/error.h" means one file everywhere.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/unfold)
get_property(rooms GLOBAL PROPERTY UNFOLD_ROOMS)

install(TARGETS unfold RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(room IN LISTS rooms)
  install(TARGETS unfold_${room} EXPORT unfoldTargets
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/unfold)
  install(DIRECTORY ${room}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/unfold/${room}
          FILES_MATCHING PATTERN "*.h" PATTERN "*.cuh")
endforeach()

install(EXPORT unfoldTargets NAMESPACE unfold:: DESTINATION ${package_dir})
configure_package_config_file(scripts/cmake/unfoldConfig.cmake.in unfoldConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(unfoldConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/unfoldConfig.cmake
              ${PROJECT_BINARY_DIR}/unfoldConfigVersion.cmake
              scripts/cmake/UnfoldDependencies.cmake
              scripts/cmake/FindPCRE2.cmake scripts/cmake/Findutf8proc.cmake
        DESTINATION ${package_dir})

install(DIRECTORY configs/ DESTINATION ${CMAKE_INSTALL_DATADIR}/unfold/configs OPTIONAL)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DATADIR}/unfold)
