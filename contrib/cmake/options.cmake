# Build options and the compiler flags that every target gets.

option(GN_BUILD_TESTS "Build the unit tests" ON)
option(GN_WERROR "Treat warnings as errors" OFF)
set(GN_SANITIZE "" CACHE STRING "Sanitizers: empty, address, thread or fuzz")

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(gn_flags INTERFACE)
target_compile_definitions(gn_flags INTERFACE _GNU_SOURCE)
target_include_directories(gn_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(gn_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef
    -Wformat=2 -Wimplicit-fallthrough -Wvla -Wframe-larger-than=4096
    $<$<C_COMPILER_ID:Clang>:-Wthread-safety>
    $<$<BOOL:${GN_WERROR}>:-Werror>)

if(GN_SANITIZE STREQUAL "address")
    set(gn_sanitize_flags -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(GN_SANITIZE STREQUAL "thread")
    set(gn_sanitize_flags -fsanitize=thread -fno-omit-frame-pointer)
elseif(GN_SANITIZE STREQUAL "fuzz")
    set(gn_sanitize_flags -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
elseif(NOT GN_SANITIZE STREQUAL "")
    message(FATAL_ERROR "GN_SANITIZE is '${GN_SANITIZE}'; use address, thread, fuzz or nothing")
endif()
target_compile_options(gn_flags INTERFACE ${gn_sanitize_flags})
target_link_options(gn_flags INTERFACE ${gn_sanitize_flags})
