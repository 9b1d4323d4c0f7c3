# Outside libraries. Each is linked PRIVATE by the one layer that may use it.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Libev REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)

# The system's interpreter, unless the builder says otherwise: a version
# manager earlier in PATH often has no shared library to embed.
if(NOT Python3_ROOT_DIR AND NOT Python3_EXECUTABLE AND EXISTS /usr/bin/python3)
    set(Python3_EXECUTABLE /usr/bin/python3)
endif()
find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter Development.Embed)
if(GN_STATIC_PYTHON)
    include(static_python)
endif()
message(STATUS "Embedding Python ${Python3_VERSION}: ${Python3_LIBRARIES}")
