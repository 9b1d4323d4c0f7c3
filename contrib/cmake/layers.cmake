# Who may know whom. One table drives linking (gn_targets.cmake) and the
# include check (contrib/lint/layers.py): a library may include and link the
# layers it names here and nothing else of ours.
#
#   gn_layer(<library> <folder> USES <libraries…> OUTSIDE <imported targets…>)

set(GN_LAYERS "")

function(gn_layer name folder)
    cmake_parse_arguments(ARG "" "" "USES;OUTSIDE" ${ARGN})
    set(GN_LAYERS ${GN_LAYERS} ${name} PARENT_SCOPE)
    set(GN_LAYER_${name}_FOLDER ${folder} PARENT_SCOPE)
    set(GN_LAYER_${name}_USES ${ARG_USES} PARENT_SCOPE)
    set(GN_LAYER_${name}_OUTSIDE ${ARG_OUTSIDE} PARENT_SCOPE)
endfunction()

gn_layer(gn_server_base server/base)
gn_layer(gn_server_proto server/proto
    USES gn_server_base
    OUTSIDE ZLIB::ZLIB OpenSSL::Crypto)
gn_layer(gn_server_loop server/loop
    USES gn_server_base
    OUTSIDE Libev::Libev)
gn_layer(gn_server_net server/net
    USES gn_server_base gn_server_loop
    OUTSIDE OpenSSL::SSL)
gn_layer(gn_server_http server/http
    USES gn_server_base gn_server_loop gn_server_proto gn_server_net)
gn_layer(gn_server_websocket server/websocket
    USES gn_server_base gn_server_loop gn_server_proto gn_server_net gn_server_http)
gn_layer(gn_bridge_exec bridge/exec
    USES gn_server_base gn_server_loop
    OUTSIDE Threads::Threads)
gn_layer(gn_bridge_py bridge/py
    USES gn_server_base gn_server_loop
    OUTSIDE Python3::Python)
gn_layer(gn_web web
    USES gn_server_base gn_server_loop gn_server_proto gn_server_net gn_server_http
         gn_server_websocket gn_bridge_exec
    OUTSIDE PkgConfig::PCRE2 PkgConfig::JANSSON)
gn_layer(gn_wsgi wsgi
    USES gn_server_base gn_server_loop gn_server_proto gn_server_http gn_bridge_exec gn_bridge_py
    OUTSIDE Python3::Python)
gn_layer(gn_program deploy/program
    USES gn_server_base gn_server_proto gn_server_loop gn_server_net gn_server_http
         gn_server_websocket gn_bridge_exec gn_bridge_py gn_wsgi gn_web
    OUTSIDE ${CMAKE_DL_LIBS})
