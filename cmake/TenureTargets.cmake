# tenure_layer(NAME DEPENDS ...): declares the static library of one folder under src/.
# tenure_sources(NAME files...): its sources.
# tenure_tests(NAME files... [ONE_THREAD]): the unit tests beside them.
# tenure_test(NAME [ONE_THREAD] [LIBS ...] [LABELS ...] [TIMEOUT seconds] [FIXTURES name] SOURCES ...): any other test
#   program; FIXTURES names what CTest sets up before it, see tests/servers/CMakeLists.txt. ONE_THREAD: there is nothing
#   in it that the thread sanitizer could find.
# A *_test.cc in a folder that no call lists is a configure error: a test must not disappear in silence.

set(TENURE_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast
                    -Woverloaded-virtual -Wformat=2)
if(TENURE_TESTS)  # who develops; a newer compiler must not stop somebody who only wants to use it
  list(APPEND TENURE_WARNINGS -Werror)
endif()

# A value of JSON becomes another type where the source says so, and nowhere else.
set(TENURE_DEFINITIONS_layer JSON_USE_IMPLICIT_CONVERSIONS=0)

# The headers of others that most sources include, parsed once: for tests always, for layers with TENURE_PRECOMPILE. Not
# where a forgotten include is to be noticed.
function(tenure_precompiled kind)
  # As position-independent as who uses them.
  if(kind STREQUAL test)
    add_executable(tenure_precompiled_test ${PROJECT_SOURCE_DIR}/cmake/precompiled.cc)
  else()
    add_library(tenure_precompiled_${kind} OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cc)
  endif()
  target_compile_options(tenure_precompiled_${kind} PRIVATE ${TENURE_WARNINGS} ${TENURE_OPTIONS_${kind}})
  target_compile_definitions(tenure_precompiled_${kind} PRIVATE ${TENURE_DEFINITIONS_${kind}})
  target_link_libraries(tenure_precompiled_${kind} PRIVATE tl::expected fmt::fmt-header-only nlohmann_json::nlohmann_json
                                                           $<$<STREQUAL:${kind},test>:GTest::gmock>)
  target_precompile_headers(tenure_precompiled_${kind} PRIVATE <algorithm> <chrono> <functional> <map> <memory> <optional>
                            <string> <utility> <variant> <vector> <tl/expected.hpp> ${ARGN})
endfunction()

# Most of a build is tests, and most of them wait for something else than themselves.
set(TENURE_OPTIONS_test -O0)
if(TENURE_TESTS)
  tenure_precompiled(test <gmock/gmock.h> <gtest/gtest.h> <nlohmann/json.hpp>)
endif()
if(TENURE_PRECOMPILE)
  tenure_precompiled(layer <fmt/format.h> <nlohmann/json.hpp>)
endif()

function(tenure_precompile target kind)
  if(TARGET tenure_precompiled_${kind})
    target_precompile_headers(${target} REUSE_FROM tenure_precompiled_${kind})
    target_compile_definitions(${target} PRIVATE FMT_HEADER_ONLY=1)  # also where it is not linked
  endif()
endfunction()

function(tenure_layer name)
  cmake_parse_arguments(arg "" "" "DEPENDS" ${ARGN})
  add_library(tenure_${name} STATIC)
  target_include_directories(tenure_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(tenure_${name} PRIVATE ${TENURE_WARNINGS})
  target_compile_definitions(tenure_${name} PRIVATE ${TENURE_DEFINITIONS_layer})
  tenure_precompile(tenure_${name} layer)
  list(TRANSFORM arg_DEPENDS PREPEND tenure_)
  target_link_libraries(tenure_${name} PUBLIC ${arg_DEPENDS})
endfunction()

function(tenure_sources name)
  target_sources(tenure_${name} PRIVATE ${ARGN})
endfunction()

# Each case of the program is a test of its own in CTest, so that they run side by side and one that hangs
# is named. They are listed when ctest starts, not while building.
function(tenure_test name)
  if(NOT TENURE_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "ONE_THREAD" "TIMEOUT;FIXTURES" "LIBS;LABELS;SOURCES" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  set(fixtures "")
  if(arg_FIXTURES)
    set(fixtures FIXTURES_REQUIRED ${arg_FIXTURES})
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_compile_options(${name} PRIVATE ${TENURE_WARNINGS} ${TENURE_OPTIONS_test})
  tenure_precompile(${name} test)
  # The worlds that tests live in run through years.
  list(FILTER arg_SOURCES INCLUDE REGEX "testing/")
  set_source_files_properties(${arg_SOURCES} PROPERTIES COMPILE_OPTIONS -O1 SKIP_PRECOMPILE_HEADERS ON)
  target_link_libraries(${name} PRIVATE ${arg_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
  if((NOT TENURE_SERVER_TESTS AND "${arg_LABELS}" MATCHES "integration|interop|servers") OR
     (NOT TENURE_ONE_THREAD_TESTS AND arg_ONE_THREAD))
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    return()
  endif()
  gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 TEST_PREFIX ${name}/
                       PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} ${fixtures})
endfunction()

# The unit tests that sit beside the sources of a layer.
function(tenure_tests name)
  tenure_test(${name}_test LIBS tenure_${name} LABELS unit SOURCES ${ARGN})
endfunction()

function(tenure_check_tests_are_listed)
  file(GLOB_RECURSE found RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS *_test.cc)
  file(GLOB_RECURSE lists CONFIGURE_DEPENDS CMakeLists.txt)
  set(text "")
  foreach(file IN LISTS lists)
    file(READ ${file} one)
    string(APPEND text "${one}")
  endforeach()
  foreach(file IN LISTS found)
    get_filename_component(leaf ${file} NAME)
    string(FIND "${text}" "${leaf}" at)
    if(at EQUAL -1)
      message(FATAL_ERROR "${CMAKE_CURRENT_SOURCE_DIR}/${file} is not listed in any CMakeLists.txt: it would never run")
    endif()
  endforeach()
endfunction()
