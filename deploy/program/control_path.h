/* SPDX-License-Identifier: MIT */
#ifndef GN_DEPLOY_PROGRAM_CONTROL_PATH_H
#define GN_DEPLOY_PROGRAM_CONTROL_PATH_H

/*
 * Where control sockets are when nobody says: PID.sock in a directory that
 * belongs to the server's user alone. A server takes the first of
 *
 *     $RUNTIME_DIRECTORY               what systemd made (RuntimeDirectory=)
 *     $XDG_RUNTIME_DIR/gustnado
 *     /run/gustnado                    for root
 *     /tmp/gustnado-UID
 *
 * that is set; a client looks in all of them, with the UID of the server's
 * process, and below /run/user/UID.
 *
 * Thread: start-up.
 */

#include <sys/types.h>

#include "server/base/attr.h"
#include "server/base/err.h"

#define GN_CONTROL_PATH_BYTES 108

/**
 * The path for this process. Makes the directory, mode 0700, and removes
 * sockets of servers that are gone.
 *
 * Returns: GN_OK, GN_ERR_SYSTEM (it could not be made), GN_ERR_INVALID (it is
 *          another user's, or others may write to it, or its name is too long)
 */
GN_MUST_CHECK enum gn_err gn_control_path_make(
        char path_out[GN_CONTROL_PATH_BYTES], struct gn_error *err);

/**
 * The path of another process's socket, or with `pid` 0 of the only server there is.
 *
 * Returns: GN_OK, GN_ERR_NOT_FOUND (none), GN_ERR_EXISTS (with pid 0: several; err names them)
 */
GN_MUST_CHECK enum gn_err gn_control_path_find(
        pid_t pid, char path_out[GN_CONTROL_PATH_BYTES], struct gn_error *err);

#endif
