/* SPDX-License-Identifier: MIT */
#include "server/http/access_format.h"

#include "server/base/alloc.h"
#include "server/http/access_json.h"

#include "server/http/access_format_priv.h"

/*
 * A format is a list of steps: literal text, or an atom with an optional name;
 * or it is the word "json" (access_json.c).
 */

struct gn_access_format {
    char *source;
    struct gn_access_step *steps;
    unsigned n_steps;
    unsigned n_notes;
    bool is_json;
};

/* ---- compiling ---------------------------------------------------------- */

/** "{name}i", "{name}o", "{name}e" or "{name}x". */
static bool compile_named(
        struct gn_access_format *f, struct gn_slice atom, struct gn_access_step *step_out)
{
    if (atom.len < 4 || atom.ptr[0] != '{' || atom.ptr[atom.len - 2] != '}') {
        return false;
    }
    step_out->text = gn_slice_of(atom.ptr + 1, atom.len - 3);
    step_out->fn = gn_access_named_atom(atom.ptr[atom.len - 1], step_out->text);
    if (atom.ptr[atom.len - 1] == 'o') {
        step_out->note = f->n_notes++;
    }
    return step_out->fn != NULL;
}

static void add_step(struct gn_access_format *f, struct gn_access_step step)
{
    f->steps = gn_xrealloc(f->steps, (f->n_steps + 1) * sizeof(*f->steps));
    f->steps[f->n_steps++] = step;
}

/** One "%(...)s" or "%%" at the start of `rest`, which is advanced. */
static enum gn_err compile_atom(
        struct gn_access_format *f, struct gn_slice *rest, struct gn_error *err)
{
    struct gn_access_step step = {0};
    struct gn_slice atom;
    size_t end;

    if (gn_slice_starts_with(*rest, GN_LIT("%%"))) {
        add_step(f, (struct gn_access_step){.fn = gn_access_literal, .text = GN_LIT("%")});
        *rest = gn_slice_skip(*rest, 2);
        return GN_OK;
    }
    end = gn_slice_find(*rest, ')');
    if (!gn_slice_starts_with(*rest, GN_LIT("%(")) || end + 1 >= rest->len ||
            rest->ptr[end + 1] != 's') {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "the access log format: '%.20s' is not of the form %%(x)s", rest->ptr);
    }
    atom = gn_slice_of(rest->ptr + 2, end - 2);
    step.fn = gn_access_atom(atom);
    if (step.fn == NULL && !compile_named(f, atom, &step)) {
        return gn_error_set(err, GN_ERR_INVALID, 0,
                "the access log format: there is no '%%(" GN_SLICE_FMT ")s'", GN_SLICE_ARG(atom));
    }
    add_step(f, step);
    *rest = gn_slice_skip(*rest, end + 2);
    return GN_OK;
}

enum gn_err gn_access_format_create(
        struct gn_slice text, struct gn_access_format **format_out, struct gn_error *err)
{
    struct gn_access_format *f = gn_xcalloc(sizeof(*f));
    struct gn_slice rest;
    enum gn_err rc = GN_OK;

    f->is_json = gn_slice_eq_nocase(text, GN_LIT("json"));
    f->source = gn_xstrndup(text.ptr, f->is_json ? 0 : text.len);
    rest = gn_slice_str(f->source);
    while (rest.len > 0 && rc == GN_OK) {
        size_t literal = gn_slice_find(rest, '%');

        if (literal > 0) {
            add_step(f,
                    (struct gn_access_step){
                            .fn = gn_access_literal, .text = gn_slice_of(rest.ptr, literal)});
            rest = gn_slice_skip(rest, literal);
        } else {
            rc = compile_atom(f, &rest, err);
        }
    }
    if (rc == GN_OK) {
        *format_out = f;
        f = NULL;
    }
    gn_access_format_destroy(&f);
    return rc;
}

void gn_access_format_destroy(struct gn_access_format **format)
{
    if (*format == NULL) {
        return;
    }
    gn_free((*format)->steps);
    gn_free((*format)->source);
    gn_free(*format);
    *format = NULL;
}

/* ---- running ------------------------------------------------------------ */

unsigned gn_access_format_n_response_headers(const struct gn_access_format *format)
{
    return format->n_notes;
}

static void note_field(const struct gn_access_format *f, struct gn_slice name,
        struct gn_slice value, struct gn_slice *notes)
{
    for (unsigned i = 0; i < f->n_steps; i++) {
        const struct gn_access_step *step = &f->steps[i];

        if (step->fn == gn_access_response_header && notes[step->note].ptr == NULL &&
                gn_slice_eq_nocase(step->text, name)) {
            notes[step->note] = value;
        }
    }
}

void gn_access_format_scan_head(
        const struct gn_access_format *format, struct gn_slice head, struct gn_slice *notes_out)
{
    struct gn_slice line;
    bool is_status_line = true;

    for (unsigned i = 0; i < format->n_notes; i++) {
        notes_out[i] = gn_slice_of(NULL, 0);
    }
    while (gn_slice_split(&head, '\n', &line) && line.len > 1) {
        size_t colon = gn_slice_find(line, ':');

        if (!is_status_line && colon < line.len) {
            struct gn_slice value = gn_slice_of(line.ptr + colon + 1, line.len - colon - 2);

            note_field(format, gn_slice_of(line.ptr, colon), gn_slice_trim_ows(value), notes_out);
        }
        is_status_line = false;
    }
}

enum gn_err gn_access_format_write(const struct gn_access_format *format,
        const struct gn_exchange *ex, const struct gn_access_facts *facts, struct gn_buf *out)
{
    const struct gn_access_context c = {.ex = ex, .facts = facts, .out = out};

    if (format->is_json) {
        return gn_access_json_write(ex, facts, out);
    }
    for (unsigned i = 0; i < format->n_steps; i++) {
        GN_TRY(format->steps[i].fn(&c, &format->steps[i]));
    }
    return gn_buf_append(out, GN_LIT("\n"));
}
