/* SPDX-License-Identifier: MIT */
#include "deploy/program/error_page.h"

#include <errno.h>
#include <stdio.h>

#include "server/base/alloc.h"

enum gn_err gn_error_page_read(
        const char *path, struct gn_error_template **template_out, struct gn_error *err)
{
    const size_t size = (size_t)GN_ERROR_TEMPLATE_BYTES + 1; /* one more tells of a longer file */
    FILE *file = fopen(path, "re");
    char *text = gn_xalloc(size);
    struct gn_error why = {0};
    enum gn_err rc = GN_ERR_SYSTEM;
    size_t n = 0;

    errno = file == NULL ? errno : 0;
    if (file != NULL) {
        n = fread(text, 1, size, file);
    }
    if (file == NULL || ferror(file) != 0) {
        (void)gn_error_set(err, rc, errno, "--error-page %s: it cannot be read", path);
    } else {
        rc = gn_error_template_create(gn_slice_of(text, n), template_out, &why);
        if (rc != GN_OK) {
            (void)gn_error_set(err, rc, 0, "--error-page %s: %s", path, why.message);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    gn_free(text);
    return rc;
}
