/* SPDX-License-Identifier: BSD-3-Clause */
/* What the checkers of links share. */
#include "check_link.h"

#include <stdlib.h>

struct check *link_open(const struct check_class *cls, uint16_t n, size_t bytes)
{
    struct link_check *l = check_open(cls, n, bytes);
    check_table_init(&l->rows, sizeof(struct link_row));
    return &l->check;
}

void link_close(struct check *c)
{
    check_table_fini(&((struct link_check *)c)->rows);
    free(c);
}

void link_reset(struct check *c)
{
    struct link_check *l = (struct link_check *)c;
    check_restart(c);
    check_table_reset(&l->rows);
    l->healed = false;
}

void link_healed(struct check *c, uint64_t step)
{
    (void)step;
    ((struct link_check *)c)->healed = true;
}

struct link_row *link_count(struct link_check *l, const struct check_event *e, bool *sent)
{
    const struct ev_info *info = &ev_infos[e->type];
    if (info->abstraction != l->check.cls->abstraction)
        return NULL;
    *sent = info->way == EV_WAY_REQUEST;
    uint16_t from = *sent ? e->at : e->proc, to = *sent ? e->proc : e->at;
    uint64_t to_group = to / CHECK_BLOCK_SLOTS;
    uint64_t key =
        check_bytes_key((uint64_t)from << 32 | to_group << 16 | e->port, 0, e->msg, e->len);
    struct link_row *r = check_table_get(&l->rows, check_group_key(key, to));
    if (r->sent + r->got == 0) {
        r->tag = check_tag(e);
        r->from = from;
        r->to = to;
        r->port = e->port;
    }
    if (*sent) {
        r->sent++;
        r->healed_sent += l->healed;
        r->sent_step = e->step;
        return r;
    }
    if (r->got++ == 0)
        r->first_step = e->step;
    r->healed_got += l->healed;
    r->got_step = e->step;
    return r;
}

void link_no_duplication(struct check *c, uint32_t property, const struct link_row *r)
{
    if (r->got <= 1 || r->got <= r->sent)
        return;
    check_violate(c, property, r->got_step,
                  "p%u delivered %s from p%u %s (first at step %" PRIu64 ", last at %" PRIu64
                  "), but it was sent %s",
                  r->to, check_tag_text(&r->tag).s, r->from, check_times_text(r->got).s,
                  r->first_step, r->got_step, check_times_text(r->sent).s);
}

void link_no_creation(struct check *c, uint32_t property, const struct link_row *r)
{
    if (r->sent > 0)
        return;
    check_violate(c, property, r->got_step,
                  "p%u delivered %s from p%u (step %" PRIu64 "), but p%u had not sent it to p%u",
                  r->to, check_tag_text(&r->tag).s, r->from, r->got_step, r->from, r->to);
}

void link_reliable_delivery(struct link_check *l, uint32_t property, bool fair, uint64_t step)
{
    for (uint32_t i = 0; i < l->rows.rows; i++) {
        const struct link_row *r = check_table_row(&l->rows, i);
        if (r->got < r->sent && check_correct(&l->check, r->from) &&
            check_correct(&l->check, r->to))
            check_owed(&l->check, property, fair, step,
                       "p%u sent %s to p%u (%s, last at step %" PRIu64
                       "), both are correct, but p%u delivered it %s until step %" PRIu64,
                       r->from, check_tag_text(&r->tag).s, r->to, check_times_text(r->sent).s,
                       r->sent_step, r->to, check_times_text(r->got).s, step);
    }
}
