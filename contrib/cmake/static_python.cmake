# GN_STATIC_PYTHON: the program holds the interpreter instead of loading it.
#
# Debian 12 optimises the static library as it does the interpreter (by
# profile, across files) and the shared one hardly, so that Python code runs a
# fifth faster. The price: that static library is not position independent, so
# neither is the program, and a security update of Python takes a new build.
#
# The program exports Python's symbols, as the interpreter does: extension
# modules look for them there. Tests stay with the shared library.

if(GN_BUILD_TESTS AND NOT GN_STATIC_PYTHON STREQUAL "AUTO")
    message(FATAL_ERROR "GN_STATIC_PYTHON is for the program alone: add -DGN_BUILD_TESTS=OFF")
endif()

# What of a configuration of Python it takes to link it, a line each.
set(gn_python_asks "
import sysconfig
v = sysconfig.get_config_vars()
print(v['LIBPL'] + '/' + v['LIBRARY'])
print(' '.join(v[name] for name in ('LIBS', 'SYSLIBS', 'MODLIBS')))
")
execute_process(COMMAND "${Python3_EXECUTABLE}" -c "${gn_python_asks}"
    OUTPUT_VARIABLE gn_python_says OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" gn_python_says "${gn_python_says}")
list(GET gn_python_says 0 gn_python_archive)
list(GET gn_python_says 1 gn_python_needs)
separate_arguments(gn_python_needs)
list(REMOVE_DUPLICATES gn_python_needs)

if(EXISTS "${gn_python_archive}" AND NOT GN_BUILD_TESTS)
    set(Python3_LIBRARIES "${gn_python_archive}")
    # The layers name Python3::Python, so that is what changes its meaning.
    set_target_properties(Python3::Python PROPERTIES
        IMPORTED_LOCATION "${gn_python_archive}" INTERFACE_LINK_LIBRARIES "${gn_python_needs}")
    set(gn_has_static_python ON)
elseif(NOT GN_STATIC_PYTHON STREQUAL "AUTO")
    message(FATAL_ERROR "GN_STATIC_PYTHON: there is no ${gn_python_archive}; "
        "install Python's development files with their static library, or leave the option out")
endif()
