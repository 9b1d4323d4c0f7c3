/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/alloc.h"
#include "tests/support/fuzz.h"

/*
 * Stands in for libFuzzer's main: runs the target over the files named on the
 * command line (folders mean their files), each whole and cut short at every
 * length, because a truncated message is the likeliest bad input there is.
 */

enum {
    MAX_INPUT_BYTES = 1 << 20,
    MAX_PREFIX_BYTES = 4096, /* longer inputs are replayed whole only */
};

static void run_one(const char *bytes, size_t len)
{
    /* An exact block, so that AddressSanitizer sees reads past the end. */
    uint8_t *exact = gn_xalloc(len > 0 ? len : 1);

    memcpy(exact, bytes, len);
    (void)LLVMFuzzerTestOneInput(exact, len);
    gn_free(exact);
}

static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *bytes;
    size_t len;

    if (file == NULL) {
        perror(path);
        return false;
    }
    bytes = gn_xalloc(MAX_INPUT_BYTES);
    len = fread(bytes, 1, MAX_INPUT_BYTES, file);
    fclose(file);
    for (size_t n = 0; len <= MAX_PREFIX_BYTES && n < len; n++) {
        run_one(bytes, n);
    }
    run_one(bytes, len);
    gn_free(bytes);
    return true;
}

static bool replay_folder(const char *path, DIR *folder, unsigned *n_files)
{
    bool ok = true;

    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char name[4000];

        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        ok = replay_file(name) && ok;
        ++*n_files;
    }
    return ok;
}

int main(int argc, char **argv)
{
    unsigned n_files = 0;
    bool ok = true;

    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);

        if (folder != NULL) {
            ok = replay_folder(argv[i], folder, &n_files) && ok;
            closedir(folder);
        } else {
            ok = replay_file(argv[i]) && ok;
            n_files++;
        }
    }
    printf("%u inputs replayed\n", n_files);
    return ok && n_files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
