# What `cmake --install` puts where: the program, and the library with its headers, CMake package and .pc
# file. The library is one archive, made of the layers that a user of the headers links.

include(CMakePackageConfigHelpers)

file(GLOB TENURE_PUBLIC_HEADERS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/tenure/*.h)
add_library(tenure STATIC)
add_library(tenure::tenure ALIAS tenure)
foreach(layer base core runtime net auth kube mcl store elect)
  target_sources(tenure PRIVATE $<TARGET_OBJECTS:tenure_${layer}>)
endforeach()
target_sources(tenure PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include
                                              FILES ${TENURE_PUBLIC_HEADERS})
target_compile_features(tenure PUBLIC cxx_std_20)
target_compile_options(tenure PRIVATE ${TENURE_WARNINGS})
target_link_libraries(tenure PUBLIC tl::expected Threads::Threads SQLite::SQLite3 yaml-cpp
                                    CURL::libcurl OpenSSL::Crypto simdjson::simdjson)
# Each public header must compile alone.
set_target_properties(tenure PROPERTIES LINKER_LANGUAGE CXX VERIFY_INTERFACE_HEADER_SETS ON)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tenure)
install(TARGETS tenure EXPORT tenure FILE_SET HEADERS)
install(EXPORT tenure NAMESPACE tenure:: FILE tenure-targets.cmake DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tenure-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_SOURCE_DIR}/cmake/tenure-config.cmake
              ${PROJECT_BINARY_DIR}/tenure-config-version.cmake DESTINATION ${package_dir})
# Relative to the .pc file, so that the installed tree can be moved.
file(RELATIVE_PATH TENURE_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(${PROJECT_SOURCE_DIR}/cmake/tenure.pc.in ${PROJECT_BINARY_DIR}/tenure.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tenure.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(NOT TARGET tenure_cli)
  return()
endif()
install(FILES ${PROJECT_SOURCE_DIR}/docs/man/tenure.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

# The terms of what is linked in.
foreach(package libcurl4-openssl-dev libssl-dev libsqlite3-dev libyaml-cpp-dev)
  install(FILES /usr/share/doc/${package}/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright.${package} OPTIONAL)
endforeach()

# The sidecar under the name that existing manifests call.
install(CODE "file(CREATE_LINK tenure \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/leader-elector\" SYMBOLIC)")

# The program writes its own completions.
function(tenure_completion shell file folder)
  set(output ${PROJECT_BINARY_DIR}/completions/${file})
  add_custom_command(OUTPUT ${output} DEPENDS tenure_cli VERBATIM
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/completions
    COMMAND tenure_cli completion ${shell} > ${output})
  set_property(GLOBAL APPEND PROPERTY TENURE_COMPLETIONS ${output})
  install(FILES ${output} DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder})
endfunction()
tenure_completion(bash tenure bash-completion/completions)
tenure_completion(zsh _tenure zsh/site-functions)
tenure_completion(fish tenure.fish fish/vendor_completions.d)
get_property(completions GLOBAL PROPERTY TENURE_COMPLETIONS)
add_custom_target(tenure_completions ALL DEPENDS ${completions})
