/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Components, events, trigger, run.
 *
 * A process is a stack of components. A component is a state struct that begins with `struct co`,
 * and a const class that says what it implements, what it uses and which handler takes which event.
 * Handlers store and trigger; they never call each other. trigger() appends to the target's one
 * FIFO inbox; co_run() hands inboxes over, lowest component first, one call for each run of equal
 * type, until all are empty. That is one step of the process: P(q, InBuf) = (q', Send).
 *
 * A stack belongs to one thread. Nothing here allocates: all memory is laid out by co_wire().
 */
#ifndef UPON_CO_H
#define UPON_CO_H

#include "dataplane/env.h"
#include "dataplane/frame.h"
#include "dataplane/timer.h"
#include "random.h"

/* ---- the tables of modules.def --------------------------------------------------------------- */

enum abstraction {
    ABS_NONE,
#define ABSTRACTION(ID, name, text) ABS_##ID,
#define REQUEST(ID, EVENT, text, fields)
#define INDICATION(ID, EVENT, text, fields)
#define INTERNAL(ID, EVENT, text, fields)
#define PROPERTY(ID, code, kind, text)
#include "modules.def"
#undef ABSTRACTION
#undef REQUEST
#undef INDICATION
#undef INTERNAL
    ABSTRACTIONS
};

enum ev_type {
    EV_NONE,
#define ABSTRACTION(ID, name, text)
#define REQUEST(ID, EVENT, text, fields)    EV_##ID##_##EVENT,
#define INDICATION(ID, EVENT, text, fields) EV_##ID##_##EVENT,
#define INTERNAL(ID, EVENT, text, fields)   EV_##ID##_##EVENT,
#include "modules.def"
#undef ABSTRACTION
#undef REQUEST
#undef INDICATION
#undef INTERNAL
#undef PROPERTY
    EV_TYPES
};

enum ev_way { EV_WAY_REQUEST = 1, EV_WAY_INDICATION, EV_WAY_INTERNAL };

struct abstraction_info {
    const char *name;
    const char *text;
};

struct ev_info {
    const char *name;
    const char *fields; /* see modules.def */
    uint8_t abstraction;
    uint8_t way; /* enum ev_way */
};

enum property_kind { SAFETY, LIVENESS };

struct property_info {
    const char *code;
    const char *text;
    uint8_t abstraction;
    uint8_t kind; /* enum property_kind */
};

extern const struct abstraction_info abstraction_infos[ABSTRACTIONS];
extern const struct ev_info ev_infos[EV_TYPES];
extern const struct property_info property_infos[];
extern const uint32_t property_info_count;

/* ---- events ---------------------------------------------------------------------------------- */

/* An event is a value of 32 bytes. Its message is borrowed until the end of the breath (pkt.h). */
struct ev {
    struct rte_mbuf *seg; /* the message: see ev_msg() */
    uint16_t off;
    uint16_t len;
    uint16_t type; /* enum ev_type */
    uint16_t proc; /* process: sender, receiver, suspect … as the event says */
    uint64_t inst; /* instance: slot, round, register; for a request to a link: the user's port */
    uint64_t attr;
};
static_assert(sizeof(struct ev) == 32, "two events to a cache line");

static inline struct msg ev_msg(const struct ev *e)
{
    return (struct msg){e->seg, e->off, e->len};
}

static inline struct ev ev_make(enum ev_type type, uint16_t proc, uint64_t inst, uint64_t attr,
                                struct msg m)
{
    return (struct ev){m.seg, m.off, m.len, (uint16_t)type, proc, inst, attr};
}

/* ---- components ------------------------------------------------------------------------------ */

struct co;
struct stack;
struct stack_conf;
struct view;
struct co_post;

/* Handle `n` events of one type, in the order in which they were triggered. */
typedef void co_upon_fn(struct co *self, const struct ev *ev, uint32_t n);

/* What the record of a class that log-delivers says, for an auditor. */
struct co_record {
    bool delivered;    /* it is a log-delivery … */
    uint64_t position; /* … at this one */
    uint64_t message;  /* not 0: it stands in it, or in a record before it that says the same */
};

struct co_class {
    const char *name;          /* <abstraction>_<algorithm> */
    const char *title;         /* the algorithm in words, with its number in CGR or its paper */
    uint8_t implements;        /* enum abstraction */
    uint8_t uses[CO_USES_MAX]; /* enum abstraction; ABS_NONE ends the list */
    uint8_t header_bytes;      /* that it pushes in front of a message of its user */
    uint8_t frame_kind;        /* enum frame_kind: the frames that it receives; 0: it is no link */
    uint16_t procs_max;        /* 0: PROCS_MAX */
    bool majority;             /* its properties need a majority of correct processes */
    /* Its properties that hold only while P, which it uses, names nobody who is alive: "C1 C4".
     * NULL: none; all of them need no more of P than that it detects every crash in the end. */
    const char *accurate;
    /* Bytes of the state, struct co and all tables included, for this configuration. */
    size_t (*bytes)(const struct stack_conf *conf);
    void (*init)(struct co *self); /* ⟨co, Init⟩; its state is zeroed; may trigger and arm timers */
    co_upon_fn *const *upon; /* by enum ev_type, EV_TYPES of them; NULL, or NULL there: none */
    /* Requests that it can take now without loss, its lower layers included; NULL: no bound. */
    uint32_t (*room)(const struct co *self);
    /* Messages to one process that it may have on their way at once without having asked for room():
     * relays, answers, heartbeats, what it tells of its window where that is as small as can be. The
     * half of a link's ring that room() leaves must hold them. NULL: none. */
    uint32_t (*unasked)(const struct stack_conf *conf);
    /* A row of instances: whether a request for instance i is within its bounds; NULL: always. */
    bool (*takes)(const struct co *self, uint64_t i);
    /* A row of instances: all below *from are forgotten here, all below *to are finished. So an
     * observer sees who lacks for good what others have forgotten. NULL: nobody ever does. */
    void (*spans)(const struct co *self, uint64_t *from, uint64_t *to);
    /* Who uses the log: records that may be on their way there at once, by the bounds of its tables,
     * what a compaction stores again included. NULL: it keeps to the log's room(). */
    uint32_t (*stores)(const struct stack_conf *conf);
    /* Whether record (i, data) is the one by which a compaction says from which position or instance
     * on it has stored all again; then that is in *from. For an auditor. NULL: it never says so. */
    bool (*keeps)(uint64_t i, const void *data, uint32_t len, uint64_t *from);
    /* Whether record (i, data) is a log-delivery or a message for one; then what it says. For an
     * auditor. NULL: the class does not log-deliver. */
    bool (*tells)(uint64_t i, const void *data, uint32_t len, struct co_record *r);
    /* End of the breath: make frames of what is to be sent. Called when co_dirty() was. */
    void (*flush)(struct co *self);
    /* The breath's frames have left: do what nobody waits for. Called when its bit in `late` is set. */
    void (*settle)(struct co *self);
    /* Beginning of each breath: look whether storage has finished something. For the log alone. */
    void (*poll)(struct co *self);
    /* Read stable storage back, before the first breath. 0, or −errno with a sentence. */
    int (*recover)(struct co *self, char *why, size_t why_size);
    /* Give back every message held, at the end of a run. NULL: holds none. */
    void (*fini)(struct co *self);
    /* Assert what must always hold between two steps. May be NULL. */
    void (*check)(const struct co *self);
    /* Show all state to a view: one function for hash, dump and diff (view.h). */
    void (*show)(const struct co *self, struct view *v);
    /* Tell an observer, now and then, what a person wants to know of it (post.h). May be NULL. */
    void (*post)(const struct co *self, struct co_post *p);
    /* Write what the header of a message of ours says, for a trace. NULL: payload only. */
    int (*tell)(struct msg m, char *text, size_t size);
};

static inline bool co_class_uses(const struct co_class *cls, uint8_t abstraction)
{
    for (int i = 0; i < CO_USES_MAX && cls->uses[i] != ABS_NONE; i++)
        if (cls->uses[i] == abstraction)
            return true;
    return false;
}

struct co {
    /* One cache line: all that an event touches on its way here, and on to our users. */
    struct ev *inbox;
    uint32_t head;
    uint32_t tail;
    uint32_t inbox_events; /* capacity */
    uint32_t inbox_high;   /* high-water mark */
    uint32_t bit;          /* in the ready mask */
    uint8_t index;         /* in the stack, bottom first */
    uint8_t users;
    uint16_t port;           /* its name as a user of a link */
    co_upon_fn *const *upon; /* of its class: by enum ev_type, EV_TYPES of them */
    struct stack *st;
    const struct co_class *cls;
    struct co **user; /* who uses it, and hears its indications */
    /* And another. */
    struct co *use[CO_USES_MAX]; /* what it uses, in the order of its class */
    const char *name;            /* of the instance, in the stack's table: "pl", "beb.ec" */
    bool port_demux; /* a link, the log: each indication goes to the user whose port it names */
};
static_assert(offsetof(struct co, use) == 64 && sizeof(struct co) == 128, "lines, as said");

/* ---- a stack --------------------------------------------------------------------------------- */

/* What a stack is told when it is wired. Times in ns; 0 takes the default of stack_conf_default().
 */
struct stack_conf {
    uint16_t n;           /* processes of Π */
    uint16_t self;        /* our rank */
    uint32_t cluster;     /* in every frame */
    uint32_t log_cluster; /* in the log, which other runs may have begun; 0: the same */
    uint32_t incarnation;
    uint64_t seed;
    uint32_t inbox_events; /* at least: above a log co_wire() takes more */
    uint32_t flight_msgs;  /* pl_window: in flight per peer, a power of two */
    uint32_t ring_msgs;    /* pl_window: kept per peer, a power of two, ≥ 2 × flight */
    uint32_t instances;    /* rows of a table of instances, a power of two */
    uint32_t store_msgs;   /* messages that a broadcast keeps until they are stable, power of two */
    uint32_t log_requests; /* the log's queue: what all its users may ask for; co_wire() says it */
    uint32_t frame_records;  /* records in one frame, at most */
    uint32_t batch_events;   /* events given to a handler in one call, at most */
    uint32_t msg_copy_bytes; /* up to here copied into a frame, above it shared */
    uint64_t rto_min_ns;     /* links: least time before something is sent again */
    uint64_t rto_max_ns;
    uint64_t ack_delay_ns; /* links: how long an acknowledgement may wait for company */
    uint64_t
        give_up_ns; /* links: silence after which a full window is given up; UINT64_MAX: never */
    uint64_t heartbeat_ns; /* detectors: period */
    uint64_t detect_ns;    /* detectors: timeout, or its first value, or its increment */
    bool forward;          /* uc: proposals of others are forwarded to the leader */
    bool one_life;         /* nobody recovers: a frame of another incarnation than 1 is dropped */
};

struct trace;
struct recorder;

struct stack {
    /* The first three cache lines, and that of `link`: what every breath touches. */
    uint32_t ready;     /* bit i: component i has events */
    uint32_t dirty;     /* bit i: component i wants flush() */
    uint32_t late;      /* bit i: component i wants settle() */
    uint32_t outs;      /* frames to send at the end of the breath */
    uint32_t spent;     /* packets to release at the end of the breath */
    uint32_t owns;      /* events that wait until the breath's frames have left */
    uint32_t unclocked; /* breaths since the clock was read */
    uint32_t slab_pos;
    uint64_t now; /* ns, of this breath: see breath_time() */
    struct env *env;
    struct trace *trace; /* NULL: off */
    struct co *log;      /* who polls stable storage; NULL: nobody */
    uint64_t *counters;
    struct rte_mbuf *slab; /* what msg_new() carves from */
    uint16_t n;
    uint16_t self;
    uint16_t components;
    uint16_t headroom; /* in front of each new message: the headers of all layers */
    struct frame_self me;
    bool app_wants; /* the application has something to send: tell it ⟨app, Ready | room⟩ */
    bool
        halted; /* it crashed, and takes no more steps: its observer stopped it, or its disk failed */
    struct co *app;
    uint64_t steps;            /* breaths, and a recovery */
    struct recorder *recorder; /* of whoever stands before handlers of ours; not ours to read */
    struct stack_conf conf __attribute__((aligned(64)));
    struct co *link[FRAME_KINDS] __attribute__((aligned(64))); /* who receives frames of a kind */
    struct co *co[CO_STACK_MAX];
    struct co *port[CO_PORTS_MAX];
    int disk_error; /* −errno of the disk whose failure halted it; 0: there was none */
    struct random random;
    const struct stack_def *def;
    /* From here on not zeroed when wired: all of it is written before it is read. */
    struct timer_wheel wheel __attribute__((aligned(64)));
    struct frame rx[RX_BURST_FRAMES];      /* decoded headers of this breath's frames */
    struct rte_mbuf *out[TX_QUEUE_FRAMES]; /* frames that this breath sends */
    uint16_t out_peer[TX_QUEUE_FRAMES];    /* and to whom */
    struct rte_mbuf *spents[TX_QUEUE_FRAMES];
    struct ev own[STACK_OWNS]; /* what the process tells itself */
    struct co *own_to[STACK_OWNS];
};

static_assert(offsetof(struct stack, conf) == 128 &&
                  offsetof(struct stack_conf, msg_copy_bytes) < 64,
              "lines, as said");

/* A layer of a named stack, bottom first; `uses` names layers below, in the order of the class. */
struct stack_layer {
    const char *name;
    const struct co_class *cls;
    const char *uses[CO_USES_MAX];
};

struct stack_def {
    const char *name;
    const char *summary;
    const char *top;                  /* the layer that the application uses */
    const struct stack_layer *layers; /* a NULL name ends them */
};

extern const struct stack_def *const stack_defs[]; /* NULL ends them */
const struct stack_def *stack_find(const char *name);

/* The layer that a stack ends in, to its user; NULL, which wiring refuses: it names none. */
const struct stack_layer *stack_top(const struct stack_def *def);
extern const struct co_class *const co_classes[]; /* every module; NULL ends them */

/* ---- triggering ------------------------------------------------------------------------------ */

void co_inbox_full(struct co *to) __attribute__((cold, noinline));

/* trigger ⟨to, ev⟩: append to its inbox. Whoever calls has no more to do with it. */
static inline void trigger(struct co *to, struct ev ev)
{
    uint32_t tail = to->tail;
    if (unlikely(tail == to->inbox_events))
        co_inbox_full(to);
    if (tail == to->head) /* it was empty; one update of the mask for a whole batch */
        to->st->ready |= to->bit;
    to->inbox[tail] = ev;
    to->tail = tail + 1;
}

void stack_own_full(struct stack *st) __attribute__((cold, noinline));

/*
 * trigger ⟨to, ev⟩, in the same breath, once all that this breath sends to others has left: they
 * answer meanwhile. For what a process sends to itself. The order of such events is kept.
 */
static inline void trigger_own(struct co *to, struct ev ev)
{
    struct stack *st = to->st;
    if (unlikely(st->owns == STACK_OWNS))
        stack_own_full(st);
    st->own[st->owns] = ev;
    st->own_to[st->owns++] = to;
}

/* trigger an indication: to every user. */
static inline void indicate(struct co *self, struct ev ev)
{
    for (uint32_t i = 0; i < self->users; i++)
        trigger(self->user[i], ev);
}

/* trigger ⟨pl, Send | q, m⟩ at a link (fll, sl, pl or fpl by `type`), which delivers to our peer.
 */
static inline void link_send(struct co *self, struct co *link, enum ev_type type, uint16_t q,
                             struct msg m)
{
    trigger(link, ev_make(type, q, self->port, 0, m));
}

static inline void co_dirty(struct co *self)
{
    self->st->dirty |= self->bit;
}

static inline void co_count(struct co *self, enum counter c, uint64_t n)
{
    self->st->counters[c] += n;
}

/* Arm a timer of this component: ⟨timer, Timeout | arg⟩ after `delay_ns`. */
static inline void co_timer(struct co *self, struct timer *t, uint64_t delay_ns, uint64_t arg)
{
    t->owner = self;
    t->arg = arg;
    timer_arm(&self->st->wheel, t, self->st->now + delay_ns);
}

static inline uint32_t co_room(const struct co *c)
{
    return c->cls->room != NULL ? c->cls->room(c) : UINT32_MAX;
}

/* ---- messages of a stack --------------------------------------------------------------------- */

struct msg msg_new_slow(struct stack *st, uint32_t bytes);

/*
 * A new message of `bytes`, uninitialised, with headroom for every layer's header. Valid until the
 * end of the breath, like every message. A pool that is empty ends the process with a sentence: it
 * is sized so that this is a bug.
 */
static inline struct msg msg_new(struct stack *st, uint32_t bytes)
{
    uint32_t pos = st->slab_pos + st->headroom;
    if (unlikely(st->slab == NULL || pos + bytes > st->slab->buf_len))
        return msg_new_slow(st, bytes);
    st->slab_pos = (pos + bytes + 7) & ~7u;
    return (struct msg){st->slab, (uint16_t)pos, (uint16_t)bytes};
}

/*
 * A new message: room for a header of `bytes`, to be written by the caller, and behind it a copy of
 * m. For a layer whose header differs from one receiver to the next: a user may send one message to
 * many, so m itself cannot take it.
 */
static inline struct msg msg_copy_behind(struct stack *st, struct msg m, uint16_t bytes)
{
    struct msg c = msg_new(st, (uint32_t)bytes + m.len);
    pkt_copy(msg_data(c) + bytes, msg_data(m), m.len);
    return c;
}

/* Hand what is queued to the device now. */
void stack_transmit(struct stack *st);
void stack_spent_full(struct stack *st) __attribute__((cold, noinline));

/* Queue a frame for `peer`; it leaves at the end of the breath. Takes the packet over. */
static inline void stack_send(struct stack *st, uint16_t peer, struct rte_mbuf *pkt)
{
    if (unlikely(st->outs == TX_QUEUE_FRAMES))
        stack_transmit(st);
    st->out[st->outs] = pkt;
    st->out_peer[st->outs++] = peer;
}

/* Release a packet at the end of the breath, when no event refers to it any more. */
static inline void stack_spend(struct stack *st, struct rte_mbuf *pkt)
{
    if (unlikely(st->spent == TX_QUEUE_FRAMES))
        stack_spent_full(st);
    st->spents[st->spent++] = pkt;
}

/* ---- wiring and running ---------------------------------------------------------------------- */

/* Fill what is 0 with the defaults for live runs. */
void stack_conf_default(struct stack_conf *conf);

/*
 * Check that a stack fits together. Returns 0, or −EINVAL with a sentence in `why` that names the
 * layer and the remedy.
 */
int co_check_wiring(const struct stack_def *def, const struct co_class *app,
                    const struct stack_conf *conf, char *why, size_t why_size);

/* Records that may wait for the log of this stack at once, what a compaction stores again included:
 * the sum of co_class.stores over its users. The definition must have passed the check. */
uint32_t co_wire_stores(const struct stack_def *def, const struct co_class *app,
                        const struct stack_conf *conf);

/* Bytes of memory that co_wire() needs, 64-aligned. The definition must have passed the check. */
size_t co_wire_bytes(const struct stack_def *def, const struct co_class *app,
                     const struct stack_conf *conf);

/*
 * Build a stack, with `app` on top, in `mem` (zeroed here), and run every ⟨co, Init⟩, bottom first.
 * Nothing is sent before the first breath.
 */
struct stack *co_wire(void *mem, const struct stack_def *def, const struct co_class *app,
                      const struct stack_conf *conf, struct env *env);

/* The component of that instance name; NULL if there is none. */
struct co *stack_co(struct stack *st, const char *name);

/* Ports of the components that watch other processes, as a bitmap: whose messages are heartbeats. */
uint32_t stack_heartbeat_ports(const struct stack *st);

/*
 * Read stable storage back and tell the components, to quiescence: ⟨log, Found | …⟩ for each record,
 * then ⟨log, Recovered | incarnation⟩. Between co_wire() and the first breath; nothing is sent. A
 * stack without a log is left as it is. 0, or −errno with a sentence in `why`.
 */
int stack_recover(struct stack *st, char *why, size_t why_size);

/* Release what the events of this breath referred to. For stack_recover(), in small steps. */
void stack_release(struct stack *st);

/* Run to quiescence: hand over every inbox until all are empty. */
void co_run(struct stack *st);

/*
 * One breath: receive a burst, fire due timers, run to quiescence, flush, transmit, release.
 * Returns the number of frames received.
 */
uint32_t co_breath(struct stack *st);

/* Give back every packet that the stack still holds: the end of a process. */
void stack_fini(struct stack *st);

/* Run the invariant checks of all components. */
void stack_check(const struct stack *st);

/* ---- traces ---------------------------------------------------------------------------------- */

/*
 * An observer of a process: sees each run of events just before its handler does. `to` is the
 * component that handles them; an indication is thus seen once per listener. It returns true; or
 * false to stop the process at this very event, which then is not handled: a crash in mid-step,
 * with nothing of this step sent.
 */
struct trace {
    bool (*handled)(struct trace *t, struct stack *st, struct co *to, const struct ev *ev,
                    uint32_t n);
};

/*
 * The component whose border this event crosses: for a request the one that takes it, for an
 * indication the one that gave it. NULL for internal events, for alarms, and for an indication's
 * second and further listeners, so that each crossing counts once. Links count per user.
 */
const struct co *ev_border(const struct co *to, const struct ev *ev);

/* Write an event in the book's notation: "p1 ⟨pl, Deliver | p0, 17⟩". Returns the length. */
int ev_text(const struct stack *st, const struct co *to, const struct ev *ev, char *text,
            size_t size);

#endif
