# The libraries of others that the programs link, each as tenure_lib_NAME: as an archive where the system has one, so
# that a program maps only what it uses, and needs nothing at its start that it may never call. Debian's libcurl alone
# brings thirty more libraries along, which doubles the memory of a sidecar.

option(TENURE_ARCHIVES "Link libcurl, OpenSSL, SQLite and yaml-cpp statically, where the system has them so" ON)

find_package(SQLite3 REQUIRED)
find_package(CURL 7.88 REQUIRED)
find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)
find_package(yaml-cpp REQUIRED)
# Not find_package(): that wants all that a server of metrics needs, and we have a server.
find_library(TENURE_PROMETHEUS prometheus-cpp-core REQUIRED)

# tenure_library(NAME SHARED target ARCHIVES names...): the archives, or the shared library where one of them is missing.
function(tenure_library name)
  cmake_parse_arguments(arg "" "SHARED" "ARCHIVES" ${ARGN})
  set(found "")
  if(TENURE_ARCHIVES)
    foreach(archive IN LISTS arg_ARCHIVES)
      string(TOUPPER TENURE_ARCHIVE_${archive} variable)
      find_library(${variable} lib${archive}.a)
      mark_as_advanced(${variable})
      list(APPEND found ${${variable}})
    endforeach()
  endif()
  if(NOT found OR found MATCHES NOTFOUND)
    set(found ${arg_SHARED})
  endif()
  add_library(tenure_lib_${name} INTERFACE)
  target_link_libraries(tenure_lib_${name} INTERFACE ${found})
  target_include_directories(tenure_lib_${name} SYSTEM INTERFACE
                             $<TARGET_PROPERTY:${arg_SHARED},INTERFACE_INCLUDE_DIRECTORIES>)
endfunction()

tenure_library(crypto SHARED OpenSSL::Crypto ARCHIVES crypto)
tenure_library(sqlite SHARED SQLite::SQLite3 ARCHIVES sqlite3)
tenure_library(yaml SHARED yaml-cpp ARCHIVES yaml-cpp)
tenure_library(curl SHARED CURL::libcurl ARCHIVES curl ssl crypto)

# The archive of libcurl has all its protocols in it. What those of them need that no URL of ours can reach is left out:
# the names in it that nothing but these libraries defines lead to a function that ends the program.
# HttpClient sees to it that nothing leads there.
get_target_property(TENURE_LINKED_CURL tenure_lib_curl INTERFACE_LINK_LIBRARIES)
if(NOT TENURE_LINKED_CURL STREQUAL CURL::libcurl)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${TENURE_ARCHIVE_CURL})
  execute_process(COMMAND ${CMAKE_NM} --undefined-only --portability ${TENURE_ARCHIVE_CURL}
                  OUTPUT_VARIABLE names ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "\n(Brotli|GSS_|RTMP_|ZSTD_|ber_|gss_|idn2_|inflate|ldap_|libssh2_|nghttp2_|psl_|zlib)[A-Za-z0-9_]*"
         names "${names}")
  list(REMOVE_DUPLICATES names)
  list(TRANSFORM names STRIP)
  list(REMOVE_ITEM names libssh2_init libssh2_exit idn2_check_version)
  list(TRANSFORM names REPLACE "(.+)" "LEFT_OUT(\\1)")
  list(JOIN names "\n" TENURE_LEFT_OUT)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/curl_left_out.cc.in curl_left_out.cc @ONLY)
  add_library(tenure_curl_left_out STATIC ${CMAKE_CURRENT_BINARY_DIR}/curl_left_out.cc)
  target_link_libraries(tenure_lib_curl INTERFACE tenure_curl_left_out)
endif()
