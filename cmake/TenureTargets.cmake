# tenure_layer(NAME DEPENDS ...): declares the static library of one folder under src/.
# tenure_sources(NAME files...): its sources.
# tenure_tests(NAME files...): the unit tests beside them.
# tenure_test(NAME [LIBS ...] [LABELS ...] [TIMEOUT seconds] [FIXTURES name] SOURCES ...): any other test program;
#   FIXTURES names what CTest sets up before it, see tests/servers/CMakeLists.txt.
# A *_test.cc in a folder that no call lists is a configure error: a test must not disappear in silence.

set(TENURE_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast
                    -Woverloaded-virtual -Wformat=2)
if(TENURE_TESTS)  # who develops; a newer compiler must not stop somebody who only wants to use it
  list(APPEND TENURE_WARNINGS -Werror)
endif()

function(tenure_layer name)
  cmake_parse_arguments(arg "" "" "DEPENDS" ${ARGN})
  add_library(tenure_${name} STATIC)
  target_include_directories(tenure_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(tenure_${name} PRIVATE ${TENURE_WARNINGS})
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
  cmake_parse_arguments(arg "" "TIMEOUT;FIXTURES" "LIBS;LABELS;SOURCES" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  set(fixtures "")
  if(arg_FIXTURES)
    set(fixtures FIXTURES_REQUIRED ${arg_FIXTURES})
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_compile_options(${name} PRIVATE ${TENURE_WARNINGS})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
  if(NOT TENURE_SERVER_TESTS AND "${arg_LABELS}" MATCHES "integration|interop|servers")
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
