# The two calls that folders make.

# gn_library(<layer> SOURCES <files…>): the static library of a folder, linked
# as the layer table says.
function(gn_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name}
        PUBLIC ${GN_LAYER_${name}_USES}
        PRIVATE gn_flags ${GN_LAYER_${name}_OUTSIDE})
    target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:C>:${gn_lto_flags}>)
endfunction()

# gn_test(<file without .c> LINKS <layers…>): one test program per source file,
# linked to the library it tests and nothing above it.
function(gn_test name)
    cmake_parse_arguments(ARG "" "" "LINKS;SOURCES" ${ARGN})
    add_executable(${name} ${name}.c ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LINKS} gn_test_support gn_flags)
    add_test(NAME unit.${name} COMMAND ${name})
    set_tests_properties(unit.${name} PROPERTIES
        LABELS unit TIMEOUT 120 ENVIRONMENT "${gn_sanitizer_environment}"
        FAIL_REGULAR_EXPRESSION "LeakSanitizer")
endfunction()

# Criterion reports a leak and exits 0 all the same, hence the expression above.
set(gn_sanitizer_environment
    "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0"
    "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp:print_suppressions=0"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp:second_deadlock_stack=1")
