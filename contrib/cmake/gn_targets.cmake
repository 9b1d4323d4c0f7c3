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
        LABELS unit TIMEOUT 120 FAIL_REGULAR_EXPRESSION "LeakSanitizer")
endfunction()
