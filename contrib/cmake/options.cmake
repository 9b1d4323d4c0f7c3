# Build options and the compiler flags that every target gets.

option(GN_BUILD_TESTS "Build the unit tests" ON)
option(GN_WERROR "Treat warnings as errors" OFF)
option(GN_HARDEN "Compiler and linker hardening; packagers often bring their own flags" OFF)
option(GN_LTO "Link-time optimisation of the program and the libraries" OFF)
option(GN_COVERAGE "Instrument for gcov" OFF)
set(GN_STATIC_PYTHON OFF CACHE STRING "CPython's static library in the program: ON, OFF, or AUTO (where there is one)")
set_property(CACHE GN_STATIC_PYTHON PROPERTY STRINGS OFF ON AUTO)
set(GN_SANITIZE "" CACHE STRING "Sanitizers: empty, address, thread or fuzz")

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(gn_flags INTERFACE)
target_compile_definitions(gn_flags INTERFACE _GNU_SOURCE)
target_include_directories(gn_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(gn_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef
    -Wformat=2 -Wimplicit-fallthrough -Wvla
    -fno-semantic-interposition
    $<$<AND:$<C_COMPILER_ID:Clang>,$<NOT:$<BOOL:$<TARGET_PROPERTY:GN_UNMARKED_THREADS>>>>:-Wthread-safety>
    $<$<BOOL:${GN_WERROR}>:-Werror>)

set(gn_sanitize_flags "")
if(GN_SANITIZE STREQUAL "address")
    set(gn_sanitize_flags -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(GN_SANITIZE STREQUAL "thread")
    set(gn_sanitize_flags -fsanitize=thread -fno-omit-frame-pointer)
elseif(GN_SANITIZE STREQUAL "fuzz")
    if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
        message(FATAL_ERROR "GN_SANITIZE=fuzz needs clang: set CC=clang, or use the preset 'fuzz'")
    endif()
    set(gn_sanitize_flags -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
elseif(NOT GN_SANITIZE STREQUAL "")
    message(FATAL_ERROR "GN_SANITIZE is '${GN_SANITIZE}'; use address, thread, fuzz or nothing")
endif()
target_compile_options(gn_flags INTERFACE ${gn_sanitize_flags})
target_link_options(gn_flags INTERFACE ${gn_sanitize_flags})

# Task stacks are small, which binds libraries and modules, not tests. Sanitizers
# and coverage pad frames, so only a plain build can judge.
set(gn_frame_flags "")
if(NOT GN_SANITIZE AND NOT GN_COVERAGE)
    set(gn_frame_flags -Wframe-larger-than=4096)
endif()

if(GN_COVERAGE)
    target_compile_options(gn_flags INTERFACE --coverage)
    target_link_options(gn_flags INTERFACE --coverage)
endif()

# Position-independent programs, linked as such.
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

if(GN_HARDEN)
    if(GN_SANITIZE)
        message(FATAL_ERROR "GN_HARDEN and GN_SANITIZE exclude each other: _FORTIFY_SOURCE hides reads from sanitizers")
    endif()
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_C_COMPILER_VERSION VERSION_GREATER_EQUAL 12)
        set(gn_fortify 3)
    else()
        set(gn_fortify 2)
    endif()
    # Distributions predefine the macro, hence -U. -fcf-protection stays out:
    # a shadow stack does not survive a switch between task stacks.
    target_compile_options(gn_flags INTERFACE
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${gn_fortify}
        -fstack-protector-strong -fstack-clash-protection)
    target_link_options(gn_flags INTERFACE
        -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code)
endif()

# Objects stay fat (machine code beside the intermediate form), so that tests
# and foreign linkers can use the static libraries as they are. clang 14 has no
# such objects, hence gcc only.
if(GN_LTO)
    if(NOT CMAKE_C_COMPILER_ID STREQUAL "GNU")
        message(FATAL_ERROR "GN_LTO needs gcc")
    endif()
    set(gn_lto_flags -flto=auto -ffat-lto-objects)
endif()
