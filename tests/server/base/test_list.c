/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "server/base/list.h"
#include "tests/support/test.h"

struct item {
    char letter;
    struct gn_list link;
};

/** The letters of the list in order, forwards; checks that backwards agrees. */
static const char *letters(const struct gn_list *head, char *to)
{
    size_t n = 0;

    for (const struct gn_list *node = head->next; node != head; node = node->next) {
        cr_assert_eq(node->next->prev, node);
        cr_assert_eq(node->prev->next, node);
        to[n++] =
                *((const char *)node - offsetof(struct item, link) + offsetof(struct item, letter));
    }
    to[n] = '\0';
    return to;
}

static void fill(struct item *items, const char *text, struct gn_list *head)
{
    gn_list_init(head);
    for (size_t i = 0; text[i] != '\0'; i++) {
        items[i].letter = text[i];
        gn_list_append(head, &items[i].link);
    }
}

Test(list, appends_prepends_and_unlinks)
{
    struct item items[4];
    struct gn_list head;
    char seen[8];

    fill(items, "abc", &head);
    cr_assert_str_eq(letters(&head, seen), "abc");
    items[3].letter = 'd';
    gn_list_prepend(&head, &items[3].link);
    cr_assert_str_eq(letters(&head, seen), "dabc");
    gn_list_unlink(&items[0].link);
    gn_list_unlink(&items[0].link);
    cr_assert_not(gn_list_is_linked(&items[0].link));
    cr_assert_str_eq(letters(&head, seen), "dbc");
    gn_list_insert_after(&items[1].link, &items[0].link);
    cr_assert_str_eq(letters(&head, seen), "dbac");
}

Test(list, pops_from_the_front_until_empty)
{
    struct item items[3];
    struct gn_list head;

    fill(items, "abc", &head);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(gn_list_pop(&head), &items[i].link);
        cr_assert_not(gn_list_is_linked(&items[i].link));
    }
    cr_assert_null(gn_list_pop(&head));
    cr_assert(gn_list_is_empty(&head));
}

Test(list, splices_in_order)
{
    static const struct {
        const char *to;
        const char *from;
        const char *want;
    } cases[] = {{"", "", ""}, {"ab", "", "ab"}, {"", "cd", "cd"}, {"ab", "cd", "abcd"}};

    for (size_t i = 0; i < GN_ARRAY_LEN(cases); i++) {
        struct item a[4];
        struct item b[4];
        struct gn_list to;
        struct gn_list from;
        char seen[8];

        fill(a, cases[i].to, &to);
        fill(b, cases[i].from, &from);
        gn_list_splice(&to, &from);
        cr_assert_str_eq(letters(&to, seen), cases[i].want);
        cr_assert(gn_list_is_empty(&from));
    }
}

Test(list, current_node_may_leave_during_a_walk)
{
    struct item items[5];
    struct gn_list head;
    struct gn_list *node;
    struct gn_list *next;
    char seen[8];
    unsigned n_seen = 0;

    fill(items, "abcde", &head);
    GN_LIST_FOREACH (node, next, &head) {
        struct item *item = GN_LIST_ENTRY(node, struct item, link);

        n_seen++;
        if (item->letter != 'c') {
            gn_list_unlink(node);
            memset(item, 0x55, sizeof(*item));
        }
    }
    cr_assert_eq(n_seen, 5);
    cr_assert_str_eq(letters(&head, seen), "c");
}
