/* SPDX-License-Identifier: BSD-3-Clause */
/* Named stacks, bottom first, and every module. `upon list` prints these tables. */
#include "broadcast/broadcast.h"
#include "co.h"
#include "consensus/consensus.h"
#include "detectors/detectors.h"
#include "links/links.h"
#include "log/log.h"

const struct co_class *const co_classes[] = {
    &fll_device_class,
    &sl_retransmit_forever_class,
    &pl_eliminate_duplicates_class,
    &pl_window_class,
    &fpl_sequence_number_class,
    &lpl_log_delivered_class,
    &log_device_class,
    &p_exclude_on_timeout_class,
    &epfd_increasing_timeout_class,
    &omega_monarchical_class,
    &omega_elect_lower_epoch_class,
    &le_monarchical_class,
    &beb_basic_class,
    &rb_lazy_class,
    &rb_eager_class,
    &urb_all_ack_class,
    &urb_majority_ack_class,
    &sbeb_basic_class,
    &lbeb_basic_class,
    &lurb_majority_ack_class,
    &c_flooding_class,
    &handover_cursor_class,
    &handover_redeliver_class,
    &ec_leader_based_class,
    &ep_read_write_class,
    &uc_leader_driven_class,
    &lec_leader_based_class,
    &lep_read_write_class,
    &luc_leader_driven_class,
    NULL,
};

static const struct stack_def stack_fll = {
    .name = "fll",
    .summary = "fair-loss links: the device as it is",
    .top = "fll",
    .layers = (const struct stack_layer[]){{"fll", &fll_device_class, {NULL}}, {0}},
};

static const struct stack_def stack_sl = {
    .name = "sl",
    .summary = "stubborn links: ring_msgs / 2 messages to each peer, sent for ever",
    .top = "sl",
    .layers = (const struct stack_layer[]){{"fll", &fll_device_class, {NULL}},
                                           {"sl", &sl_retransmit_forever_class, {"fll"}},
                                           {0}},
};

static const struct stack_def stack_pl_textbook = {
    .name = "pl_textbook",
    .summary = "perfect links as in the textbook, with acknowledgements that bound them",
    .top = "pl",
    .layers = (const struct stack_layer[]){{"fll", &fll_device_class, {NULL}},
                                           {"sl", &sl_retransmit_forever_class, {"fll"}},
                                           {"pl", &pl_eliminate_duplicates_class, {"sl", "fll"}},
                                           {0}},
};

static const struct stack_def stack_pl = {
    .name = "pl",
    .summary = "perfect links by a sliding window",
    .top = "pl",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}}, {0}},
};

static const struct stack_def stack_fpl = {
    .name = "fpl",
    .summary = "FIFO perfect links",
    .top = "fpl",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"fpl", &fpl_sequence_number_class, {"pl"}},
                                           {0}},
};

static const struct stack_def stack_p = {
    .name = "P",
    .summary = "perfect failure detector by heartbeats, where delays are bounded",
    .top = "P",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"P", &p_exclude_on_timeout_class, {"pl"}},
                                           {0}},
};

static const struct stack_def stack_le = {
    .name = "le",
    .summary = "leader election over P",
    .top = "le",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"P", &p_exclude_on_timeout_class, {"pl"}},
                                           {"le", &le_monarchical_class, {"P"}},
                                           {0}},
};

static const struct stack_def stack_epfd = {
    .name = "epfd",
    .summary = "eventually perfect failure detector by heartbeats",
    .top = "epfd",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"epfd", &epfd_increasing_timeout_class, {"pl"}},
                                           {0}},
};

static const struct stack_def stack_omega = {
    .name = "omega",
    .summary = "eventual leader detector over ◇P",
    .top = "omega",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"epfd", &epfd_increasing_timeout_class, {"pl"}},
                                           {"omega", &omega_monarchical_class, {"epfd"}},
                                           {0}},
};

static const struct stack_def stack_beb = {
    .name = "beb",
    .summary = "best-effort broadcast",
    .top = "beb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {0}},
};

static const struct stack_def stack_log = {
    .name = "log",
    .summary = "stable storage alone",
    .top = "log",
    .layers = (const struct stack_layer[]){{"log", &log_device_class, {NULL}}, {0}},
};

static const struct stack_def stack_rb_lazy = {
    .name = "rb_lazy",
    .summary = "reliable broadcast that relays when its origin crashes",
    .top = "rb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"P", &p_exclude_on_timeout_class, {"pl"}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {"rb", &rb_lazy_class, {"beb", "P"}},
                                           {0}},
};

static const struct stack_def stack_rb_eager = {
    .name = "rb_eager",
    .summary = "reliable broadcast that always relays",
    .top = "rb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {"rb", &rb_eager_class, {"beb"}},
                                           {0}},
};

static const struct stack_def stack_urb_all_ack = {
    .name = "urb_all_ack",
    .summary = "uniform reliable broadcast, acknowledged by all who have not crashed",
    .top = "urb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"P", &p_exclude_on_timeout_class, {"pl"}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {"urb", &urb_all_ack_class, {"beb", "P"}},
                                           {0}},
};

static const struct stack_def stack_urb = {
    .name = "urb",
    .summary = "uniform reliable broadcast, acknowledged by a majority",
    .top = "urb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {"urb", &urb_majority_ack_class, {"beb"}},
                                           {0}},
};

static const struct stack_def stack_c_flooding = {
    .name = "c_flooding",
    .summary = "regular consensus, a stream of instances, flooding over P",
    .top = "c",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"P", &p_exclude_on_timeout_class, {"pl"}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {"c", &c_flooding_class, {"beb", "P"}},
                                           {0}},
};

static const struct stack_def stack_uc = {
    .name = "uc",
    .summary = "uniform consensus, a stream of instances, leader-driven over Ω",
    .top = "uc",
    .layers =
        (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                     {"epfd", &epfd_increasing_timeout_class, {"pl"}},
                                     {"omega", &omega_monarchical_class, {"epfd"}},
                                     {"beb.ec", &beb_basic_class, {"pl"}},
                                     {"ec", &ec_leader_based_class, {"omega", "beb.ec", "pl"}},
                                     {"beb.ep", &beb_basic_class, {"pl"}},
                                     {"ep", &ep_read_write_class, {"beb.ep", "pl", "epfd"}},
                                     {"uc", &uc_leader_driven_class, {"ec", "ep", "pl"}},
                                     {0}},
};

static const struct stack_def stack_lpl = {
    .name = "lpl",
    .summary = "logged perfect links: delivered when stored",
    .top = "lpl",
    .layers = (const struct stack_layer[]){{"log", &log_device_class, {NULL}},
                                           {"fll", &fll_device_class, {NULL}},
                                           {"sl", &sl_retransmit_forever_class, {"fll"}},
                                           {"lpl", &lpl_log_delivered_class, {"sl", "fll", "log"}},
                                           {0}},
};

static const struct stack_def stack_omega_recovery = {
    .name = "omega_recovery",
    .summary = "eventual leader, of processes that crash and recover",
    .top = "omega",
    .layers =
        (const struct stack_layer[]){{"log", &log_device_class, {NULL}},
                                     {"fll", &fll_device_class, {NULL}},
                                     {"omega", &omega_elect_lower_epoch_class, {"fll", "log"}},
                                     {0}},
};

static const struct stack_def stack_sbeb = {
    .name = "sbeb",
    .summary = "stubborn broadcast: ring_msgs / 2 messages, sent for ever",
    .top = "sbeb",
    .layers = (const struct stack_layer[]){{"fll", &fll_device_class, {NULL}},
                                           {"sl", &sl_retransmit_forever_class, {"fll"}},
                                           {"sbeb", &sbeb_basic_class, {"sl"}},
                                           {0}},
};

static const struct stack_def stack_lbeb = {
    .name = "lbeb",
    .summary = "logged best-effort broadcast: delivered when stored",
    .top = "lbeb",
    .layers = (const struct stack_layer[]){{"log", &log_device_class, {NULL}},
                                           {"fll", &fll_device_class, {NULL}},
                                           {"sl", &sl_retransmit_forever_class, {"fll"}},
                                           {"sbeb", &sbeb_basic_class, {"sl"}},
                                           {"lbeb", &lbeb_basic_class, {"sbeb", "fll", "log"}},
                                           {0}},
};

static const struct stack_def stack_lurb = {
    .name = "lurb",
    .summary = "logged uniform reliable broadcast, stored by a majority",
    .top = "lurb",
    .layers =
        (const struct stack_layer[]){{"log", &log_device_class, {NULL}},
                                     {"fll", &fll_device_class, {NULL}},
                                     {"sl", &sl_retransmit_forever_class, {"fll"}},
                                     {"sbeb", &sbeb_basic_class, {"sl"}},
                                     {"lurb", &lurb_majority_ack_class, {"sbeb", "fll", "log"}},
                                     {0}},
};

static const struct stack_def stack_luc = {
    .name = "luc",
    .summary = "logged uniform consensus, a stream of instances, through crashes and recoveries",
    .top = "luc",
    .layers =
        (const struct stack_layer[]){
            {"log", &log_device_class, {NULL}},
            {"fll", &fll_device_class, {NULL}},
            {"pl", &pl_window_class, {NULL}},
            {"epfd", &epfd_increasing_timeout_class, {"pl"}},
            {"omega", &omega_elect_lower_epoch_class, {"fll", "log"}},
            {"beb.ec", &beb_basic_class, {"pl"}},
            {"lec", &lec_leader_based_class, {"omega", "beb.ec", "pl", "log"}},
            {"beb.ep", &beb_basic_class, {"pl"}},
            {"lep", &lep_read_write_class, {"beb.ep", "pl", "epfd", "log"}},
            {"luc", &luc_leader_driven_class, {"lec", "lep", "pl"}},
            {0}},
};

static const struct stack_def stack_handover_cursor = {
    .name = "handover_cursor",
    .summary = "lurb, handed over from a cursor on stable storage",
    .top = "ho",
    .layers =
        (const struct stack_layer[]){{"log", &log_device_class, {NULL}},
                                     {"fll", &fll_device_class, {NULL}},
                                     {"sl", &sl_retransmit_forever_class, {"fll"}},
                                     {"sbeb", &sbeb_basic_class, {"sl"}},
                                     {"lurb", &lurb_majority_ack_class, {"sbeb", "fll", "log"}},
                                     {"ho", &handover_cursor_class, {"lurb", "log"}},
                                     {0}},
};

static const struct stack_def stack_handover_redeliver = {
    .name = "handover_redeliver",
    .summary = "lurb, handed over again until it is taken",
    .top = "ho",
    .layers =
        (const struct stack_layer[]){{"log", &log_device_class, {NULL}},
                                     {"fll", &fll_device_class, {NULL}},
                                     {"sl", &sl_retransmit_forever_class, {"fll"}},
                                     {"sbeb", &sbeb_basic_class, {"sl"}},
                                     {"lurb", &lurb_majority_ack_class, {"sbeb", "fll", "log"}},
                                     {"ho", &handover_redeliver_class, {"lurb"}},
                                     {0}},
};

/* One a line. */
/* clang-format off */
const struct stack_def *const stack_defs[] = {
    &stack_fll,
    &stack_sl,
    &stack_pl_textbook,
    &stack_pl,
    &stack_fpl,
    &stack_p,
    &stack_le,
    &stack_epfd,
    &stack_omega,
    &stack_beb,
    &stack_rb_lazy,
    &stack_rb_eager,
    &stack_urb_all_ack,
    &stack_urb,
    &stack_c_flooding,
    &stack_uc,
    &stack_log,
    &stack_lpl,
    &stack_omega_recovery,
    &stack_sbeb,
    &stack_lbeb,
    &stack_lurb,
    &stack_handover_cursor,
    &stack_handover_redeliver,
    &stack_luc,
    NULL,
};
/* clang-format on */
