/* SPDX-License-Identifier: MIT */
#ifndef GN_WEB_GUSTNADO_H
#define GN_WEB_GUSTNADO_H

/*
 * Everything a C author needs, in one include:
 *
 *   static enum gn_err hello(struct gn_request *r)
 *   {
 *       return gn_reply_text(r, 200, GN_LIT("Hello\n"));
 *   }
 *
 *   int main(void)
 *   {
 *       struct gn_application *app = gn_app_create();
 *
 *       gn_app_get(app, "/", hello);
 *       return gn_app_run(&app, NULL);
 *   }
 *
 * Handlers run on the loop thread, each on a small stack of its own, and may
 * wait with the functions that have `await` in their names. They must not
 * block: give blocking work to gn_run_await.
 */

#include "bridge/exec/run.h"
#include "server/base/alloc.h"
#include "server/base/arena.h"
#include "server/base/err.h"
#include "server/base/list.h"
#include "server/base/log.h"
#include "server/base/slice.h"
#include "server/loop/cond.h"
#include "server/loop/loop.h"
#include "server/loop/task.h"
#include "web/app_run.h"
#include "web/application.h"
#include "web/json_depth.h"
#include "web/module.h"
#include "web/reply.h"
#include "web/request.h"
#include "web/websocket_handler.h"
#include "web/ws_group.h"

#endif
