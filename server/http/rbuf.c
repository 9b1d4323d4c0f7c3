/* SPDX-License-Identifier: MIT */
#include "server/http/rbuf.h"

#include "server/base/alloc.h"

/*
 * Bytes before `end` never change while others hold a reference: a connection
 * writes only behind `end`, and moves bytes within a block only when the block
 * is its own alone.
 */

#define MAX_FREE_BLOCKS 128

/** Where blocks of that size are kept; NULL: they are not. */
static struct gn_rbuf_shelf *shelf_for(struct gn_rbuf_pool *pool, size_t cap)
{
    if (cap == GN_RBUF_BYTES) {
        return &pool->usual;
    }
    return cap == GN_RBUF_LARGE_BYTES ? &pool->large : NULL;
}

struct gn_rbuf *gn_rbuf_take(struct gn_rbuf_pool *pool, size_t min_bytes)
{
    size_t cap = GN_MAX(min_bytes, (size_t)GN_RBUF_BYTES);
    struct gn_rbuf_shelf *shelf = shelf_for(pool, cap);
    struct gn_rbuf *block;

    if (shelf != NULL && shelf->free != NULL) {
        block = shelf->free;
        shelf->free = block->next_free;
        shelf->n_free--;
    } else {
        block = gn_xalloc(sizeof(*block) + cap);
    }
    block->next_free = NULL;
    block->refs = 1;
    block->cap = cap;
    block->end = 0;
    return block;
}

struct gn_rbuf *gn_rbuf_ref(struct gn_rbuf *block)
{
    gn_assert(block->refs > 0);
    block->refs++;
    return block;
}

void gn_rbuf_unref(struct gn_rbuf_pool *pool, struct gn_rbuf **block_ptr)
{
    struct gn_rbuf *block = *block_ptr;
    struct gn_rbuf_shelf *shelf;

    *block_ptr = NULL;
    if (block == NULL) {
        return;
    }
    gn_assert(block->refs > 0);
    if (--block->refs > 0) {
        return;
    }
    shelf = shelf_for(pool, block->cap);
    /* Under AddressSanitizer a freed block is poisoned: slices kept too long are found. */
    if (shelf == NULL || shelf->n_free >= MAX_FREE_BLOCKS || GN_ASAN) {
        gn_free(block);
        return;
    }
    block->next_free = shelf->free;
    shelf->free = block;
    shelf->n_free++;
}

static void clear_shelf(struct gn_rbuf_shelf *shelf)
{
    while (shelf->free != NULL) {
        struct gn_rbuf *block = shelf->free;

        shelf->free = block->next_free;
        gn_free(block);
    }
    shelf->n_free = 0;
}

void gn_rbuf_pool_fini(struct gn_rbuf_pool *pool)
{
    clear_shelf(&pool->usual);
    clear_shelf(&pool->large);
}

void gn_input_consume(struct gn_input *in, size_t n)
{
    gn_assert(n <= gn_input_n_bytes(in));
    in->start += n;
}

static void move_to_new_block(struct gn_input *in, struct gn_rbuf_pool *pool, size_t min_bytes)
{
    struct gn_slice unread = gn_input_peek(in);
    struct gn_rbuf *block = gn_rbuf_take(pool, min_bytes);

    if (unread.len > 0) {
        memcpy(block->data, unread.ptr, unread.len);
    }
    block->end = unread.len;
    gn_rbuf_unref(pool, &in->block);
    in->block = block;
    in->start = 0;
}

size_t gn_input_make_room(struct gn_input *in, struct gn_rbuf_pool *pool, size_t first_bytes)
{
    struct gn_rbuf *block = in->block;
    size_t unread = gn_input_n_bytes(in);

    if (block == NULL) {
        in->block = gn_rbuf_take(pool, first_bytes);
        in->start = 0;
        return in->block->cap;
    }
    if (block->refs == 1 && unread == 0) {
        block->end = 0;
        in->start = 0;
    } else if (block->cap - block->end < block->cap / 8) {
        if (block->refs == 1 && unread <= block->cap / 2) {
            memmove(block->data, block->data + in->start, unread);
            block->end = unread;
            in->start = 0;
        } else {
            move_to_new_block(in, pool, 2 * unread);
        }
    }
    return in->block->cap - in->block->end;
}

void gn_input_append(struct gn_input *in, struct gn_rbuf_pool *pool, struct gn_slice bytes)
{
    struct gn_rbuf *block = in->block;

    if (bytes.len == 0) {
        return;
    }
    if (block == NULL || block->cap - block->end < bytes.len) {
        move_to_new_block(in, pool, gn_input_n_bytes(in) + bytes.len);
        block = in->block;
    }
    memcpy(block->data + block->end, bytes.ptr, bytes.len);
    block->end += bytes.len;
}

void gn_input_trim(struct gn_input *in, struct gn_rbuf_pool *pool)
{
    if (gn_input_n_bytes(in) == 0) {
        gn_input_clear(in, pool);
    }
}

void gn_input_clear(struct gn_input *in, struct gn_rbuf_pool *pool)
{
    gn_rbuf_unref(pool, &in->block);
    in->start = 0;
}
