# The checkers of contrib/lint as tests with the label `lint`; those that take
# minutes carry `slow` too. Exit code 77 means skipped, with the reason printed.

set(gn_lint_folder "${PROJECT_SOURCE_DIR}/contrib/lint")

function(gn_lint name)
    cmake_parse_arguments(ARG "SLOW" "" "COMMAND" ${ARGN})
    set(labels lint)
    if(ARG_SLOW)
        list(APPEND labels slow)
    endif()
    add_test(NAME lint.${name} COMMAND ${Python3_EXECUTABLE} -B ${ARG_COMMAND})
    set_tests_properties(lint.${name} PROPERTIES
        LABELS "${labels}" SKIP_RETURN_CODE 77 TIMEOUT 1200)
endfunction()

foreach(checker layers banned sizes files format)
    gn_lint(${checker} COMMAND "${gn_lint_folder}/${checker}.py")
endforeach()
gn_lint(headers COMMAND "${gn_lint_folder}/headers.py" --compiler "${CMAKE_C_COMPILER}")
gn_lint(selftest COMMAND "${gn_lint_folder}/selftest/test_checkers.py")

# Python's symbols belong to the layers that name Python3::Python, and to the
# program that composes them.
set(gn_pythonless "")
foreach(layer IN LISTS GN_LAYERS)
    if(TARGET ${layer} AND NOT "Python3::Python" IN_LIST GN_LAYER_${layer}_OUTSIDE)
        get_target_property(kind ${layer} TYPE)
        if(kind STREQUAL "STATIC_LIBRARY")
            list(APPEND gn_pythonless "$<TARGET_FILE:${layer}>")
        endif()
    endif()
endforeach()
gn_lint(no_python COMMAND "${gn_lint_folder}/no_python.py" --nm "${CMAKE_NM}" ${gn_pythonless})

gn_lint(tidy SLOW COMMAND "${gn_lint_folder}/tidy.py"
    --build "${CMAKE_BINARY_DIR}" --cache "${PROJECT_SOURCE_DIR}/build/tidy-cache")
gn_lint(cppcheck SLOW COMMAND "${gn_lint_folder}/cppcheck.py" --build "${CMAKE_BINARY_DIR}")
