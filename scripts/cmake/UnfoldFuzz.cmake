# Fuzz targets tests/fuzz/NAME_fuzz.cpp, each with a seed corpus tests/fuzz/corpus/NAME.
# UNFOLD_FUZZ with clang: libFuzzer, the whole build instrumented (scripts/fuzz.sh does it). Without:
# a plain program that runs the corpus, its truncations and damages; that is the test fuzz.NAME.

# unfold_fuzz_target(NAME libs...)
function(unfold_fuzz_target name)
  add_executable(fuzz_${name} tests/fuzz/${name}_fuzz.cpp)
  target_link_libraries(fuzz_${name} PRIVATE ${ARGN})
  if(UNFOLD_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE tests/fuzz/run_files.cpp)
    target_compile_options(fuzz_${name} PRIVATE $<$<CONFIG:Release>:-O1>)
    add_test(NAME fuzz.${name}
             COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
    set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT 600)
  endif()
endfunction()

unfold_fuzz_target(gguf unfold_models unfold_data)
unfold_fuzz_target(safetensors unfold_models)
unfold_fuzz_target(tokenizer_json unfold_data)
unfold_fuzz_target(shard unfold_data)
