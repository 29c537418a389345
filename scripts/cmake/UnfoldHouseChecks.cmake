# Checks of the source tree itself, part of the tests build:
#   house.rules    scripts/check_house.sh: include arrows, file length, paths, leftovers
#   header_check   every header compiles by itself (and twice), as part of building all
# and, in tests/house, the tests of these checks and of the scripts.

# unfold_header_check(TARGET HEADERS headers... LIBRARIES libs...)
# An object library that includes each header alone, with what LIBRARIES make visible.
# Headers are paths from the repository root.
function(unfold_header_check target)
  cmake_parse_arguments(CHECK "" "" "HEADERS;LIBRARIES" ${ARGN})
  foreach(header IN LISTS CHECK_HEADERS)
    set(source ${PROJECT_BINARY_DIR}/header_check/${header}.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT
         "#include \"${header}\"\n#include \"${header}\"  // the include guard works\n" @ONLY)
    list(APPEND sources ${source})
  endforeach()
  add_library(${target} OBJECT ${sources})
  target_link_libraries(${target} PRIVATE ${CHECK_LIBRARIES})
  target_compile_options(${target} PRIVATE -O0 -g0)  # the front end is all we ask
endfunction()

# unfold_house_test(NAME SCRIPT args...): a bash test of tests/house, run from the source root.
function(unfold_house_test name script)
  add_test(NAME house.${name} COMMAND bash ${PROJECT_SOURCE_DIR}/${script} ${ARGN}
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(house.${name} PROPERTIES TIMEOUT 300)
endfunction()

if(UNFOLD_HEADER_CHECK)
  get_property(rooms GLOBAL PROPERTY UNFOLD_ROOMS)
  foreach(room IN LISTS rooms)
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
         ${PROJECT_SOURCE_DIR}/${room}/*.h)
    if(NOT UNFOLD_WITH_CUDA)
      list(FILTER headers EXCLUDE REGEX "/cuda/")
    endif()
    if(NOT UNFOLD_WITH_MPI)
      list(FILTER headers EXCLUDE REGEX "/comm/mpi_(runtime|exchange)\\.h$")
    endif()
    if(headers)
      get_property(libraries GLOBAL PROPERTY UNFOLD_${room}_LIBRARIES)
      unfold_header_check(header_check_${room} HEADERS ${headers} LIBRARIES ${libraries})
      list(APPEND header_checks header_check_${room})
    endif()
  endforeach()
  add_custom_target(header_check DEPENDS ${header_checks})
endif()

unfold_house_test(rules scripts/check_house.sh)
unfold_house_test(check_house tests/house/check_house_test.sh)
unfold_house_test(setup tests/house/setup_test.sh)
unfold_house_test(scripts tests/house/scripts_test.sh)
unfold_house_test(train_forever tests/house/train_forever_test.sh)
if(UNFOLD_WITH_MPI AND NOT UNFOLD_SANITIZE)
  # Few kills here; scripts/kill-ranks.sh 50 by hand.
  unfold_house_test(kill_ranks scripts/kill-ranks.sh 3)
  unfold_house_test(network_ranks scripts/network-ranks.sh)
  set_tests_properties(house.kill_ranks house.network_ranks PROPERTIES SKIP_RETURN_CODE 77
                       ENVIRONMENT UNFOLD=$<TARGET_FILE:unfold>)
endif()
unfold_house_test(loss_curves tests/house/loss_curves_test.sh $<TARGET_FILE:unfold>)
set_tests_properties(house.loss_curves PROPERTIES SKIP_RETURN_CODE 77)  # without PyTorch
unfold_house_test(report_page tests/house/report_page_test.sh $<TARGET_FILE:unfold>)
set_tests_properties(house.report_page PROPERTIES SKIP_RETURN_CODE 77)  # without chromium
if(UNFOLD_HEADER_CHECK)
  unfold_house_test(header_check tests/house/header_check_test.sh ${CMAKE_COMMAND}
                    ${CMAKE_CXX_COMPILER})
endif()
if(NOT UNFOLD_SANITIZE)  # its libraries need the sanitizer's flags in the consumer too
  unfold_house_test(install tests/house/install_test.sh ${CMAKE_COMMAND} ${PROJECT_BINARY_DIR}
                    ${CMAKE_CXX_COMPILER})
endif()
