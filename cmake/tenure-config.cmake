# find_package(tenure) gives the target tenure::tenure.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(tl-expected)
find_dependency(SQLite3)
find_dependency(CURL)
find_dependency(OpenSSL 3 COMPONENTS Crypto)
find_dependency(yaml-cpp)
include(${CMAKE_CURRENT_LIST_DIR}/tenure-targets.cmake)
