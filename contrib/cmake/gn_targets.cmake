# The two calls that folders make.

# gn_library(<layer> SOURCES <files…>): the static library of a folder, linked
# as the layer table says.
function(gn_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name}
        PUBLIC ${GN_LAYER_${name}_USES}
        PRIVATE gn_flags ${GN_LAYER_${name}_OUTSIDE})
    target_compile_options(${name} PRIVATE
        ${gn_frame_flags} $<$<COMPILE_LANGUAGE:C>:${gn_lto_flags}>)
endfunction()

# gn_offer_to_modules(<program> <layers…>): loaded modules find the functions of
# these layers in the program, those included that the program itself never
# calls. The objects come before the archives, so nothing is linked twice.
function(gn_offer_to_modules program)
    foreach(layer IN LISTS ARGN)
        target_sources(${program} PRIVATE $<TARGET_OBJECTS:${layer}>)
    endforeach()
    set(syms "${PROJECT_SOURCE_DIR}/contrib/cmake/program.syms")
    target_link_options(${program} PRIVATE "-Wl,--dynamic-list=${syms}")
    set_property(TARGET ${program} APPEND PROPERTY LINK_DEPENDS "${syms}")
endfunction()

# gn_module(<name> SOURCES <files…> [LINKS <outside libraries…>]): handlers in a
# shared object that the program loads. What it calls of ours it finds there.
function(gn_module name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
    add_library(${name} MODULE ${ARG_SOURCES})
    # Authors need not mark the threads of their handlers, which are called by pointer.
    set_target_properties(${name} PROPERTIES PREFIX "" GN_UNMARKED_THREADS ON)
    target_link_libraries(${name} PRIVATE gn_flags ${ARG_LINKS})
    target_compile_options(${name} PRIVATE ${gn_frame_flags})
endfunction()

# gn_test(<file without .c> LINKS <layers…>): one test program per source file,
# linked to the library it tests and nothing above it. UNMARKED: it plays several
# threads' parts in one, which the analysis of the marks would not let it.
function(gn_test name)
    cmake_parse_arguments(ARG "UNMARKED" "" "LINKS;SOURCES" ${ARGN})
    add_executable(${name} ${name}.c ${ARG_SOURCES})
    set_target_properties(${name} PROPERTIES GN_UNMARKED_THREADS ${ARG_UNMARKED})
    target_link_libraries(${name} PRIVATE ${ARG_LINKS} gn_test_support gn_flags)
    add_test(NAME unit.${name} COMMAND ${name})
    set_tests_properties(unit.${name} PROPERTIES
        LABELS unit TIMEOUT 120 ENVIRONMENT "${gn_sanitizer_environment}"
        FAIL_REGULAR_EXPRESSION "LeakSanitizer")
endfunction()

# gn_fuzz(<name> LINKS <layers…>): tests/fuzz/fuzz_<name>.c. The preset `fuzz`
# makes it a libFuzzer program whose test explores for GN_FUZZ_SECONDS; other
# builds replay tests/fuzz/corpus/<name>.
set(GN_FUZZ_SECONDS 10 CACHE STRING "How long each fuzz test explores")

function(gn_fuzz name)
    cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
    set(corpus "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    add_executable(fuzz_${name} fuzz_${name}.c)
    target_link_libraries(fuzz_${name} PRIVATE ${ARG_LINKS} gn_flags)
    if(NOT TARGET gn_fuzz_targets)
        add_custom_target(gn_fuzz_targets)
    endif()
    add_dependencies(gn_fuzz_targets fuzz_${name})
    if(GN_SANITIZE STREQUAL "fuzz")
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        set(found "${CMAKE_CURRENT_BINARY_DIR}/found/${name}")
        file(MAKE_DIRECTORY "${found}")
        add_test(NAME fuzz.${name} COMMAND fuzz_${name}
            -max_total_time=${GN_FUZZ_SECONDS} -timeout=5 -max_len=8192 "${found}" "${corpus}")
    else()
        target_sources(fuzz_${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests/support/fuzz_replay.c")
        add_test(NAME fuzz.${name} COMMAND fuzz_${name} "${corpus}")
    endif()
    math(EXPR timeout_s "${GN_FUZZ_SECONDS} + 120")
    set_tests_properties(fuzz.${name} PROPERTIES
        LABELS fuzz TIMEOUT ${timeout_s} ENVIRONMENT "${gn_sanitizer_environment}")
endfunction()

# Criterion reports a leak and exits 0 all the same, hence the expression above.
set(gn_sanitizer_environment
    "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0"
    "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp:print_suppressions=0"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp:second_deadlock_stack=1")
