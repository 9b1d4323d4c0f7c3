# What an installed Gustnado consists of: the program, libgustnado (every layer
# that knows neither Python nor the program), its headers, and the files by
# which CMake and pkg-config find them.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(GN_LIBRARY_LAYERS "")
foreach(layer IN LISTS GN_LAYERS)
    if(TARGET ${layer} AND NOT layer STREQUAL "gn_program"
            AND NOT "Python3::Python" IN_LIST GN_LAYER_${layer}_OUTSIDE)
        list(APPEND GN_LIBRARY_LAYERS ${layer})
    endif()
endforeach()

set(objects "")
set(outside "")
foreach(layer IN LISTS GN_LIBRARY_LAYERS)
    list(APPEND objects "$<TARGET_OBJECTS:${layer}>")
    list(APPEND outside ${GN_LAYER_${layer}_OUTSIDE})
endforeach()
list(REMOVE_DUPLICATES outside)

# ---- the libraries -------------------------------------------------------------

set(gn_library_map "${PROJECT_SOURCE_DIR}/contrib/cmake/library.map")
add_library(gustnado_shared SHARED ${objects})
set_target_properties(gustnado_shared PROPERTIES
    OUTPUT_NAME gustnado EXPORT_NAME gustnado LINKER_LANGUAGE C
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS "${gn_library_map}")
target_link_options(gustnado_shared PRIVATE
    "-Wl,--version-script=${gn_library_map}" -Wl,-Bsymbolic-functions ${gn_lto_flags})
target_link_libraries(gustnado_shared PRIVATE gn_flags ${outside})

add_library(gustnado_static STATIC ${objects})
set_target_properties(gustnado_static PROPERTIES
    OUTPUT_NAME gustnado EXPORT_NAME static LINKER_LANGUAGE C)
# By name: whoever links statically need not find these packages by CMake.
set(static_needs ev ssl crypto z pcre2-8 jansson pthread ${CMAKE_DL_LIBS} m)
target_link_libraries(gustnado_static INTERFACE ${static_needs})

add_library(gustnado_module INTERFACE)
set_target_properties(gustnado_module PROPERTIES EXPORT_NAME module)

foreach(target gustnado_shared gustnado_static gustnado_module)
    target_include_directories(${target} INTERFACE
        "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/gustnado>")
    target_compile_features(${target} INTERFACE c_std_11)
endforeach()

install(TARGETS gustnado_shared gustnado_static gustnado_module EXPORT gustnadoTargets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")

# ---- headers: the tree as it is, so that "server/http/handler.h" resolves -------

foreach(layer IN LISTS GN_LIBRARY_LAYERS)
    set(folder "${GN_LAYER_${layer}_FOLDER}")
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/${folder}/"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/gustnado/${folder}"
        FILES_MATCHING PATTERN "*.h" PATTERN "*_priv.h" EXCLUDE)
endforeach()

# ---- the program -----------------------------------------------------------------

if(TARGET gustnado)
    install(TARGETS gustnado RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

# ---- how others find it ------------------------------------------------------------

set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/gustnado")
install(EXPORT gustnadoTargets NAMESPACE gustnado:: DESTINATION "${package_folder}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/contrib/cmake/gustnadoConfig.cmake.in"
    "${CMAKE_CURRENT_BINARY_DIR}/gustnadoConfig.cmake"
    INSTALL_DESTINATION "${package_folder}" PATH_VARS CMAKE_INSTALL_BINDIR)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/gustnadoConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES
    "${CMAKE_CURRENT_BINARY_DIR}/gustnadoConfig.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/gustnadoConfigVersion.cmake"
    DESTINATION "${package_folder}")

# Folders are relative to the prefix, or absolute when a packager says so. The
# prefix itself follows from where the .pc file lies: cmake --install --prefix.
set(GN_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(GN_PC_PREFIX "\${pcfiledir}/${up}")
endif()
foreach(kind LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${kind}}")
        set(GN_PC_${kind} "${CMAKE_INSTALL_${kind}}")
    else()
        set(GN_PC_${kind} "\${prefix}/${CMAKE_INSTALL_${kind}}")
    endif()
endforeach()
list(TRANSFORM static_needs PREPEND "-l" OUTPUT_VARIABLE private_libs)
list(JOIN private_libs " " GN_PC_LIBS_PRIVATE)
foreach(name gustnado gustnado-module)
    configure_file("${PROJECT_SOURCE_DIR}/contrib/cmake/${name}.pc.in"
        "${CMAKE_CURRENT_BINARY_DIR}/${name}.pc" @ONLY)
    install(FILES "${CMAKE_CURRENT_BINARY_DIR}/${name}.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endforeach()

install(FILES LICENSE README.md DESTINATION "${CMAKE_INSTALL_DOCDIR}" OPTIONAL)
