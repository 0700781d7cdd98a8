# How a folder under src/ becomes a library. src/LAYERS is read here, so that the linker enforces
# the same order of modules as tools/check_layers.py.

add_library(nokv_flags INTERFACE)
target_compile_options(nokv_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Werror
  -fno-omit-frame-pointer -fstack-protector-strong
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  # GCC 12 sees overlaps in "text" + std::string at -O3 that are not there (GCC bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
target_include_directories(nokv_flags INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>)
if(NOKV_SANITIZE)
  target_compile_options(nokv_flags INTERFACE -fsanitize=${NOKV_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(nokv_flags INTERFACE -fsanitize=${NOKV_SANITIZE})
  if(NOKV_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC warns that TSan does not understand fences; base/epoch.h does not rely on TSan seeing them.
    target_compile_options(nokv_flags INTERFACE -Wno-tsan)
  endif()
endif()
if(NOKV_LTO AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  message(FATAL_ERROR "NOKV_LTO needs GCC: objects must also be usable without link-time optimisation")
endif()
if(NOKV_LTO)
  # Objects hold machine code beside what the optimiser needs: tests link at once, without it, and so can a
  # program that links the installed library.
  target_compile_options(nokv_flags INTERFACE -flto=auto -ffat-lto-objects)
endif()

# For a program that people run, or measure engines with: link-time optimisation. For any other: none.
function(nokv_optimise_linking target)
  if(NOKV_LTO)
    target_link_options(${target} PRIVATE -flto=auto -O3)
  endif()
endfunction()
function(nokv_link_fast target)
  if(NOKV_LTO)
    target_link_options(${target} PRIVATE -fno-lto)
  endif()
endfunction()

# Reads src/LAYERS into NOKV_MODULES (in order) and NOKV_DEPS_<module>.
function(nokv_read_layers file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(STRINGS ${file} lines REGEX "^[a-z_]+:")
  set(modules "")
  foreach(line IN LISTS lines)
    string(REGEX MATCH "^([a-z_]+):(.*)$" _ "${line}")
    set(module ${CMAKE_MATCH_1})
    separate_arguments(deps UNIX_COMMAND "${CMAKE_MATCH_2}")
    list(FILTER deps EXCLUDE REGEX "^nokv/")
    if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/src/${module})
      list(APPEND modules ${module})
      set(NOKV_DEPS_${module} ${deps} PARENT_SCOPE)
    endif()
  endforeach()
  set(NOKV_MODULES ${modules} PARENT_SCOPE)
endfunction()

# src/<module>/*.cc become the library nokv_<module>; *_test.cc the program <module>_test;
# *_bench.cc the program <module>_bench; files named main_<program>.cc a program of that name.
function(nokv_module module)
  set(directory ${CMAKE_SOURCE_DIR}/src/${module})
  file(GLOB sources CONFIGURE_DEPENDS ${directory}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(benches ${sources})
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  set(mains ${sources})
  list(FILTER mains INCLUDE REGEX "/main_[a-z_]+\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|_bench)\\.cc$|/main_[a-z_]+\\.cc$")

  set(links "")
  foreach(dep IN LISTS NOKV_DEPS_${module})
    if(TARGET nokv_${dep})
      list(APPEND links nokv_${dep})
    endif()
  endforeach()
  if(sources)
    add_library(nokv_${module} STATIC ${sources})
    target_link_libraries(nokv_${module} PUBLIC ${links} Threads::Threads
                          $<BUILD_INTERFACE:nokv_flags>)
  else()
    add_library(nokv_${module} INTERFACE)
    target_link_libraries(nokv_${module} INTERFACE ${links} Threads::Threads
                          $<BUILD_INTERFACE:nokv_flags>)
  endif()
  if(module STREQUAL "sst")
    target_link_libraries(nokv_sst PUBLIC ${ZSTD_LIBRARY} ${LZ4_LIBRARY})
  endif()
  if(NOKV_BUILD_TESTS AND tests)
    nokv_test(${module}_test SOURCES ${tests} LIBRARIES nokv_${module})
  endif()
  if(NOKV_BUILD_BENCHMARKS AND benches)
    add_executable(${module}_bench ${benches})
    target_link_libraries(${module}_bench PRIVATE nokv_${module} benchmark::benchmark_main)
    nokv_link_fast(${module}_bench)
  endif()
  foreach(main IN LISTS mains)
    string(REGEX REPLACE ".*/main_([a-z_]+)\\.cc$" "\\1" program ${main})
    string(REPLACE "_" "-" program ${program})
    add_executable(${program} ${main})
    set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
    target_link_libraries(${program} PRIVATE nokv_${module})
    nokv_optimise_linking(${program})
  endforeach()
endfunction()

# A GoogleTest program; every test in it is a test of ctest. LABEL marks slow ones.
function(nokv_test name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  if(NOT arg_LABEL)
    set(arg_LABEL fast)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} GTest::gtest GTest::gmock GTest::gtest_main)
  nokv_link_fast(${name})
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT})
endfunction()

# libnokv: the engine's modules in one archive, with headers and package files.
function(nokv_install)
  if(NOT TARGET nokv_db)
    return()
  endif()
  set(objects "")
  foreach(module base vfs key cache wal memtable sst manifest lsm db)
    get_target_property(type nokv_${module} TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
      list(APPEND objects $<TARGET_OBJECTS:nokv_${module}>)
    endif()
  endforeach()
  add_library(nokv_library STATIC ${objects})
  set_target_properties(nokv_library PROPERTIES OUTPUT_NAME nokv EXPORT_NAME nokv)
  target_include_directories(nokv_library INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(nokv_library INTERFACE cxx_std_20)
  target_link_libraries(nokv_library INTERFACE Threads::Threads zstd lz4)

  include(CMakePackageConfigHelpers)
  set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/nokv)
  install(TARGETS nokv_library EXPORT nokvTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/nokv DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT nokvTargets NAMESPACE nokv:: DESTINATION ${package_directory})
  configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/nokvConfig.cmake.in
    ${CMAKE_BINARY_DIR}/nokvConfig.cmake INSTALL_DESTINATION ${package_directory})
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/nokvConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/nokvConfig.cmake ${CMAKE_BINARY_DIR}/nokvConfigVersion.cmake
    DESTINATION ${package_directory})
  # Relative to the file itself, so that the package works wherever --prefix puts it.
  file(RELATIVE_PATH NOKV_PREFIX_FROM_PC /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/nokv.pc.in ${CMAKE_BINARY_DIR}/nokv.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/nokv.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  if(TARGET nokv)
    install(TARGETS nokv RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endfunction()
