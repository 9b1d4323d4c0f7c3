/* SPDX-License-Identifier: MIT */
#include "server/http/limits.h"

struct gn_http_limits gn_http_limits_default(void)
{
    return (struct gn_http_limits){
            .request_line_bytes = 8190,
            .field_bytes = 8190,
            .fields = 100,
            .head_bytes = 65536,
            .body_bytes = UINT64_C(64) << 20,
            .body_memory_bytes = 64 << 10,
            .pipeline_bytes = 64 << 10,
            .output_bytes = 256 << 10,
            .output_low_bytes = 64 << 10,
            .handshake_ms = 10000,
            .head_ms = 10000,
            .idle_ms = 75000,
            .body_idle_ms = 30000,
            .write_stall_ms = 60000,
            .linger_ms = 2000,
            .body_rate_bytes_s = 240,
            .body_rate_grace_ms = 10000,
            .drain_bytes = 256 << 10,
            .connections = 0,
            .handshakes_s = 1000,
            .requests_per_conn = 0,
    };
}
