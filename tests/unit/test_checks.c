/* SPDX-License-Identifier: BSD-3-Clause */
/* Checkers: for each property a short execution that violates it and one that conforms. */
#include "checks_cases.h"

/* clang-format off */
static const struct scenario scenarios[] = {
    /* Links. */
    {"FLL1: sent over the healed network and never delivered", ABS_FLL, 2, false, "FLL1",
     {SEND(FLL, 0, 1, "a"), NOW_HEALED, SEND(FLL, 0, 1, "b")}},
    {"FLL1: lost before the network was healed", ABS_FLL, 2, false, "",
     {SEND(FLL, 0, 1, "a"), NOW_HEALED, SEND(FLL, 0, 1, "b"), GOT(FLL, 1, 0, "b"),
      GOT(FLL, 1, 0, "b")}},
    {"FLL1: to a former life; it hears of the present one for it", ABS_FLL, 2, false, "",
     {HEARS(0, 1, true), CRASHED(1), RECOVERED(1), NOW_HEALED, SEND(FLL, 0, 1, "a"),
      SEND(FLL, 0, 1, "b"), HEARS(0, 1, true)}},
    {"FLL1: to a former life, and it never hears of the present one", ABS_FLL, 2, false, "FLL1",
     {HEARS(0, 1, true), CRASHED(1), RECOVERED(1), NOW_HEALED, SEND(FLL, 0, 1, "a")}},
    {"FLL1: a late frame of a former life tells it nothing", ABS_FLL, 2, false, "FLL1",
     {CRASHED(1), RECOVERED(1), HEARS(0, 1, false), NOW_HEALED, SEND(FLL, 0, 1, "a"),
      HEARS(0, 1, false)}},
    {"FLL1: who has not heard of any life is owed its first sending", ABS_FLL, 2, false, "FLL1",
     {CRASHED(1), RECOVERED(1), NOW_HEALED, SEND(FLL, 0, 1, "a")}},
    {"FLL1: who has heard of the present life is owed its first sending", ABS_FLL, 2, false, "FLL1",
     {HEARS(0, 1, true), CRASHED(1), RECOVERED(1), NOW_HEALED, SEND(FLL, 0, 1, "a"),
      HEARS(0, 1, true), SEND(FLL, 0, 1, "b")}},
    {"FLL1: the next life of the sender has forgotten whom it had heard", ABS_FLL, 2, false, "FLL1",
     {HEARS(0, 1, true), CRASHED(1), RECOVERED(1), CRASHED(0), RECOVERED(0), NOW_HEALED,
      SEND(FLL, 0, 1, "a")}},
    {"FLL1: nothing is owed for what a former life sent, or was sent", ABS_FLL, 2, false, "",
     {NOW_HEALED, SEND(FLL, 0, 1, "a"), SEND(FLL, 1, 0, "b"), CRASHED(0), RECOVERED(0)}},
    {"FLL1: delivered to a former life is not delivered to this one", ABS_FLL, 2, false, "FLL1",
     {NOW_HEALED, SEND(FLL, 0, 1, "a"), GOT(FLL, 1, 0, "a"), CRASHED(1), RECOVERED(1),
      HEARS(0, 1, true), SEND(FLL, 0, 1, "a")}},
    {"FLL3: delivered from a process that did not send it", ABS_FLL, 3, false, "FLL3",
     {NOW_HEALED, SEND(FLL, 0, 1, "a"), GOT(FLL, 1, 0, "a"), GOT(FLL, 1, 2, "a")}},
    {"FLL3: sent by a life that is over", ABS_FLL, 2, false, "",
     {SEND(FLL, 0, 1, "a"), CRASHED(0), RECOVERED(0), GOT(FLL, 1, 0, "a"), NOW_HEALED}},
    {"FLL2: copied a few times", ABS_FLL, 2, false, "",
     {NOW_HEALED, SEND(FLL, 0, 1, "a"), GOT(FLL, 1, 0, "a"), GOT(FLL, 1, 0, "a"),
      GOT(FLL, 1, 0, "a")}},
    {"SL1: delivered once and never again", ABS_SL, 2, false, "SL1",
     {SEND(SL, 0, 1, "a"), GOT(SL, 1, 0, "a")}},
    {"SL1: delivered again and again, but not after the network was healed", ABS_SL, 2, false,
     "SL1", {SEND(SL, 0, 1, "a"), GOT(SL, 1, 0, "a"), GOT(SL, 1, 0, "a"), NOW_HEALED}},
    {"SL1: delivered again and again; nothing is owed to the crashed", ABS_SL, 3, false, "",
     {SEND(SL, 0, 1, "a"), SEND(SL, 0, 2, "b"), GOT(SL, 1, 0, "a"), CRASHED(2), NOW_HEALED,
      GOT(SL, 1, 0, "a")}},
    {"SL1: what its user has it forget is not owed", ABS_SL, 2, false, "",
     {{REQUEST, 0, EV_SL_SEND, 1, 0, 1, "a"}, GOT(SL, 1, 0, "a"),
      {REQUEST, 0, EV_SL_FORGET, 1, 0, 1, NULL}, NOW_HEALED}},
    {"SL1: only what is numbered up to there is forgotten", ABS_SL, 2, false, "SL1",
     {{REQUEST, 0, EV_SL_SEND, 1, 0, 1, "a"}, {REQUEST, 0, EV_SL_SEND, 1, 0, 2, "b"},
      GOT(SL, 1, 0, "a"), {REQUEST, 0, EV_SL_FORGET, 1, 0, 1, NULL}, NOW_HEALED}},
    {"SL1: the next life of the sender has forgotten what it sent", ABS_SL, 2, false, "",
     {SEND(SL, 0, 1, "a"), CRASHED(0), RECOVERED(0), NOW_HEALED}},
    {"SL1: owed to a receiver that has recovered", ABS_SL, 2, false, "SL1",
     {SEND(SL, 0, 1, "a"), GOT(SL, 1, 0, "a"), GOT(SL, 1, 0, "a"), CRASHED(1), RECOVERED(1),
      NOW_HEALED}},
    {"SL1: what its next life sends is owed again", ABS_SL, 2, false, "SL1",
     {CRASHED(0), RECOVERED(0), SEND(SL, 0, 1, "a"), NOW_HEALED}},
    {"SL1: number 0 is forgotten too, and only then", ABS_SL, 2, false, "SL1",
     {SEND(SL, 0, 1, "a"), GOT(SL, 1, 0, "a"), {REQUEST, 0, EV_SL_FORGET, 1, 0, 0, NULL},
      {REQUEST, 0, EV_SL_SEND, 1, 0, 1, "b"}, NOW_HEALED}},
    {"SL1: a former life's numbers do not forget what this one sends", ABS_SL, 2, false, "SL1",
     {{REQUEST, 0, EV_SL_FORGET, 1, 0, 9, NULL}, CRASHED(0), RECOVERED(0),
      {REQUEST, 0, EV_SL_SEND, 1, 0, 1, "a"}, NOW_HEALED}},
    {"SL2: altered on the way", ABS_SL, 2, false, "SL2",
     {SEND(SL, 0, 1, "a"), GOT(SL, 1, 0, "a"), GOT(SL, 1, 0, "a"), GOT(SL, 1, 0, "b")}},
    {"SL2: sent by a life that is over", ABS_SL, 2, false, "",
     {SEND(SL, 0, 1, "a"), CRASHED(0), RECOVERED(0), GOT(SL, 1, 0, "a")}},
    {"PL1: never delivered", ABS_PL, 2, false, "PL1",
     {SEND(PL, 0, 1, "a"), SEND(PL, 0, 1, "b"), GOT(PL, 1, 0, "b")}},
    {"PL1: of two equal messages one is delivered", ABS_PL, 2, false, "PL1",
     {SEND(PL, 0, 1, "a"), SEND(PL, 0, 1, "a"), GOT(PL, 1, 0, "a")}},
    {"PL1: nothing is owed by or to the crashed", ABS_PL, 3, false, "",
     {SEND(PL, 0, 1, "a"), SEND(PL, 1, 2, "b"), GOT(PL, 2, 1, "b"), CRASHED(1)}},
    {"PL2: what a further life is told is not judged, what it sends counts", ABS_PL, 2, false, "",
     {SEND(PL, 0, 1, "a"), GOT(PL, 1, 0, "a"), CRASHED(1), RECOVERED(1), GOT(PL, 1, 0, "a"),
      SEND(PL, 1, 0, "b"), GOT(PL, 0, 1, "b")}},
    {"PL2: delivered twice", ABS_PL, 2, false, "PL2",
     {SEND(PL, 0, 1, "a"), GOT(PL, 1, 0, "a"), GOT(PL, 1, 0, "a")}},
    {"PL2: two equal messages are delivered twice", ABS_PL, 2, false, "",
     {SEND(PL, 0, 1, "a"), SEND(PL, 0, 1, "a"), GOT(PL, 1, 0, "a"), GOT(PL, 1, 0, "a")}},
    {"PL3: delivered before it was sent", ABS_PL, 2, false, "PL3",
     {GOT(PL, 1, 0, "a"), SEND(PL, 0, 1, "a")}},
    {"PL3: delivered to the wrong process", ABS_PL, 3, false, "PL1 PL3",
     {SEND(PL, 0, 1, "a"), GOT(PL, 2, 0, "a")}},
    {"PL3: sent to itself", ABS_PL, 2, false, "", {SEND(PL, 0, 0, "a"), GOT(PL, 0, 0, "a")}},
    {"PL3: a sender outside of Π", ABS_PL, 2, false, "PL3", {GOT(PL, 1, 7, "a")}},
    {"FPL1: never delivered", ABS_FPL, 2, false, "FPL1", {SEND(FPL, 0, 1, "a")}},
    {"FPL1: nothing is owed to the crashed", ABS_FPL, 2, false, "",
     {SEND(FPL, 0, 1, "a"), CRASHED(1)}},
    {"FPL2: delivered twice", ABS_FPL, 2, false, "FPL2",
     {SEND(FPL, 0, 1, "a"), GOT(FPL, 1, 0, "a"), GOT(FPL, 1, 0, "a")}},
    {"FPL2: two equal messages are delivered twice", ABS_FPL, 2, false, "",
     {SEND(FPL, 0, 1, "a"), SEND(FPL, 0, 1, "a"), GOT(FPL, 1, 0, "a"), GOT(FPL, 1, 0, "a")}},
    {"FPL3: never sent", ABS_FPL, 2, false, "FPL3", {GOT(FPL, 1, 0, "a")}},
    {"FPL3: two send the same", ABS_FPL, 3, false, "",
     {SEND(FPL, 0, 1, "a"), SEND(FPL, 2, 1, "a"), GOT(FPL, 1, 2, "a"), GOT(FPL, 1, 0, "a")}},
    {"FPL4: overtaken", ABS_FPL, 2, false, "FPL4",
     {SEND(FPL, 0, 1, "a"), SEND(FPL, 0, 1, "b"), GOT(FPL, 1, 0, "b"), GOT(FPL, 1, 0, "a")}},
    {"FPL4: overtaken, with equal messages", ABS_FPL, 2, false, "FPL4",
     {SEND(FPL, 0, 1, "a"), SEND(FPL, 0, 1, "b"), SEND(FPL, 0, 1, "a"), GOT(FPL, 1, 0, "a"),
      GOT(FPL, 1, 0, "a"), GOT(FPL, 1, 0, "b")}},
    {"FPL4: channels do not wait for each other", ABS_FPL, 3, false, "",
     {SEND(FPL, 0, 1, "a"), SEND(FPL, 0, 2, "b"), SEND(FPL, 2, 1, "c"), SEND(FPL, 0, 1, "d"),
      GOT(FPL, 1, 2, "c"), GOT(FPL, 2, 0, "b"), GOT(FPL, 1, 0, "a"), GOT(FPL, 1, 0, "d"),
      SEND(FPL, 0, 1, "e"), GOT(FPL, 1, 0, "e")}},

    /* Detectors. */
    {"PFD1: one correct process does not detect a crash", ABS_P, 3, false, "PFD1",
     {CRASHED(0), SAID(P_CRASH, 1, 0)}},
    {"PFD1: all correct processes detect it", ABS_P, 3, false, "",
     {CRASHED(0), SAID(P_CRASH, 1, 0), CRASHED(2), SAID(P_CRASH, 1, 2)}},
    {"PFD2: detected before it crashes", ABS_P, 2, false, "PFD2",
     {SAID(P_CRASH, 1, 0), CRASHED(0)}},
    {"PFD2: detected after it has crashed", ABS_P, 3, false, "",
     {CRASHED(0), SAID(P_CRASH, 2, 0), SAID(P_CRASH, 1, 0)}},
    {"LE1: no new leader after a crash", ABS_LE, 3, false, "LE1",
     {SAID(LE_LEADER, 0, 0), SAID(LE_LEADER, 1, 0), SAID(LE_LEADER, 2, 0), CRASHED(0),
      SAID(LE_LEADER, 1, 1)}},
    {"LE2: a leader is replaced that has not crashed", ABS_LE, 2, false, "LE2",
     {SAID(LE_LEADER, 0, 0), SAID(LE_LEADER, 1, 0), SAID(LE_LEADER, 0, 1),
      SAID(LE_LEADER, 1, 1)}},
    {"LE2: all leaders before it have crashed", ABS_LE, 3, false, "",
     {SAID(LE_LEADER, 0, 0), SAID(LE_LEADER, 1, 0), SAID(LE_LEADER, 2, 0), CRASHED(0),
      SAID(LE_LEADER, 1, 1), SAID(LE_LEADER, 2, 1), CRASHED(1), SAID(LE_LEADER, 2, 2)}},
    {"LE1: the next one is elected after a crash", ABS_LE, 3, false, "",
     {SAID(LE_LEADER, 0, 0), SAID(LE_LEADER, 1, 0), SAID(LE_LEADER, 2, 0), CRASHED(0),
      SAID(LE_LEADER, 1, 1), SAID(LE_LEADER, 2, 1)}},
    {"EPFD2: suspected still, though it has recovered", ABS_EPFD, 2, false, "EPFD2",
     {CRASHED(1), SAID(EPFD_SUSPECT, 0, 1), RECOVERED(1)}},
    {"EPFD2: its next life begins without suspicions", ABS_EPFD, 2, false, "",
     {SAID(EPFD_SUSPECT, 1, 0), CRASHED(1), SAID(EPFD_SUSPECT, 0, 1), RECOVERED(1),
      SAID(EPFD_RESTORE, 0, 1)}},
    {"EPFD1: a crash is suspected, and the suspicion withdrawn", ABS_EPFD, 2, false, "EPFD1",
     {CRASHED(0), SAID(EPFD_SUSPECT, 1, 0), SAID(EPFD_RESTORE, 1, 0)}},
    {"EPFD2: a suspicion of a correct process is never withdrawn", ABS_EPFD, 2, false, "EPFD2",
     {SAID(EPFD_SUSPECT, 1, 0)}},
    {"EPFD: nothing is owed of who crashes again and again", ABS_EPFD, 2, false, "",
     {NOW_HEALED, CRASHED(1), RECOVERED(1), CRASHED(1)}},
    {"EPFD1: crashed for good after the network was healed", ABS_EPFD, 2, false, "EPFD1",
     {CRASHED(1), RECOVERED(1), NOW_HEALED, CRASHED(1)}},
    {"EPFD1: who crashes again is suspected again", ABS_EPFD, 2, false, "",
     {CRASHED(1), SAID(EPFD_SUSPECT, 0, 1), RECOVERED(1), SAID(EPFD_RESTORE, 0, 1), NOW_HEALED,
      CRASHED(1), SAID(EPFD_SUSPECT, 0, 1)}},
    {"EPFD: false suspicions are withdrawn", ABS_EPFD, 3, false, "",
     {SAID(EPFD_SUSPECT, 1, 0), SAID(EPFD_RESTORE, 1, 0), CRASHED(2), SAID(EPFD_SUSPECT, 1, 2),
      SAID(EPFD_SUSPECT, 0, 2)}},
    {"ELD1: a crashed process is trusted", ABS_OMEGA, 2, false, "ELD1",
     {SAID(OMEGA_TRUST, 0, 0), SAID(OMEGA_TRUST, 1, 0), CRASHED(0)}},
    {"ELD1: whom a former life trusted is forgotten", ABS_OMEGA, 2, false, "ELD1",
     {SAID(OMEGA_TRUST, 0, 0), SAID(OMEGA_TRUST, 1, 0), CRASHED(1), RECOVERED(1)}},
    {"ELD1: who has recovered may be trusted", ABS_OMEGA, 2, false, "",
     {SAID(OMEGA_TRUST, 0, 1), SAID(OMEGA_TRUST, 1, 0), CRASHED(1), RECOVERED(1),
      SAID(OMEGA_TRUST, 1, 1)}},
    {"ELD1: nobody is trusted", ABS_OMEGA, 2, false, "ELD1", {SAID(OMEGA_TRUST, 0, 0)}},
    {"ELD2: each trusts itself", ABS_OMEGA, 2, false, "ELD2",
     {SAID(OMEGA_TRUST, 0, 0), SAID(OMEGA_TRUST, 1, 1)}},
    {"ELD2: all change to the same one", ABS_OMEGA, 3, false, "",
     {SAID(OMEGA_TRUST, 0, 0), SAID(OMEGA_TRUST, 1, 0), SAID(OMEGA_TRUST, 2, 2), CRASHED(0),
      SAID(OMEGA_TRUST, 1, 1), SAID(OMEGA_TRUST, 2, 1)}},

    /* Broadcast. */
    {"BEB1: a correct process does not deliver", ABS_BEB, 2, false, "BEB1",
     {CAST(BEB, 0, "a"), GOT(BEB, 0, 0, "a")}},
    {"BEB1: a sender that crashes owes nothing", ABS_BEB, 3, false, "",
     {CAST(BEB, 0, "a"), GOT(BEB, 1, 0, "a"), CRASHED(0)}},
    {"BEB2: delivered twice", ABS_BEB, 2, false, "BEB2",
     {CAST(BEB, 0, "a"), GOT(BEB, 0, 0, "a"), GOT(BEB, 1, 0, "a"), GOT(BEB, 1, 0, "a")}},
    {"BEB2: broadcast twice, delivered twice", ABS_BEB, 2, false, "",
     {CAST(BEB, 0, "a"), CAST(BEB, 0, "a"), GOT(BEB, 0, 0, "a"), GOT(BEB, 1, 0, "a"),
      GOT(BEB, 1, 0, "a"), GOT(BEB, 0, 0, "a")}},
    {"BEB3: the wrong origin", ABS_BEB, 2, false, "BEB1 BEB3",
     {CAST(BEB, 0, "a"), GOT(BEB, 0, 0, "a"), GOT(BEB, 1, 1, "a")}},
    {"BEB3: two broadcast the same", ABS_BEB, 2, false, "",
     {CAST(BEB, 0, "a"), CAST(BEB, 1, "a"), GOT(BEB, 0, 1, "a"), GOT(BEB, 0, 0, "a"),
      GOT(BEB, 1, 0, "a"), GOT(BEB, 1, 1, "a")}},
    {"RB1: a correct process does not deliver its own", ABS_RB, 2, false, "RB1",
     {CAST(RB, 0, "a")}},
    {"RB1: who crashes owes itself nothing", ABS_RB, 2, false, "",
     {CAST(RB, 0, "a"), CRASHED(0)}},
    {"RB2: delivered twice", ABS_RB, 2, false, "RB2",
     {CAST(RB, 0, "a"), GOT(RB, 0, 0, "a"), GOT(RB, 1, 0, "a"), GOT(RB, 1, 0, "a")}},
    {"RB2: broadcast twice, delivered twice", ABS_RB, 2, false, "",
     {CAST(RB, 0, "a"), CAST(RB, 0, "a"), GOT(RB, 0, 0, "a"), GOT(RB, 0, 0, "a"),
      GOT(RB, 1, 0, "a"), GOT(RB, 1, 0, "a")}},
    {"RB2: what nobody broadcast, delivered twice", ABS_RB, 2, false, "RB2 RB3",
     {GOT(RB, 0, 1, "a"), GOT(RB, 1, 1, "a"), GOT(RB, 1, 1, "a")}},
    {"RB4: broadcast twice, and one process delivers it once", ABS_RB, 3, false, "RB4",
     {CAST(RB, 0, "a"), CAST(RB, 0, "a"), GOT(RB, 0, 0, "a"), GOT(RB, 0, 0, "a"),
      GOT(RB, 1, 0, "a"), GOT(RB, 2, 0, "a"), GOT(RB, 2, 0, "a")}},
    {"RB3: never broadcast", ABS_RB, 2, false, "RB3",
     {GOT(RB, 0, 1, "a"), GOT(RB, 1, 1, "a")}},
    {"RB3: broadcast by one that has crashed since", ABS_RB, 2, false, "",
     {CAST(RB, 0, "a"), CRASHED(0), GOT(RB, 1, 0, "a")}},
    {"RB4: some correct process delivers, another does not", ABS_RB, 3, false, "RB4",
     {CAST(RB, 0, "a"), GOT(RB, 1, 0, "a"), CRASHED(0)}},
    {"RB4: what only crashed processes delivered", ABS_RB, 3, false, "",
     {CAST(RB, 0, "a"), GOT(RB, 0, 0, "a"), CRASHED(0)}},
    {"URB1: a correct process does not deliver its own", ABS_URB, 2, false, "URB1",
     {CAST(URB, 0, "a")}},
    {"URB1: who crashes owes itself nothing", ABS_URB, 2, false, "",
     {CAST(URB, 0, "a"), CRASHED(0)}},
    {"URB2: delivered twice", ABS_URB, 2, false, "URB2",
     {CAST(URB, 0, "a"), GOT(URB, 0, 0, "a"), GOT(URB, 1, 0, "a"), GOT(URB, 1, 0, "a")}},
    {"URB2: broadcast twice, delivered twice", ABS_URB, 2, false, "",
     {CAST(URB, 0, "a"), CAST(URB, 0, "a"), GOT(URB, 0, 0, "a"), GOT(URB, 0, 0, "a"),
      GOT(URB, 1, 0, "a"), GOT(URB, 1, 0, "a")}},
    {"URB2: what nobody broadcast, delivered twice", ABS_URB, 2, false, "URB2 URB3",
     {GOT(URB, 0, 1, "a"), GOT(URB, 1, 1, "a"), GOT(URB, 1, 1, "a")}},
    {"URB4: broadcast twice, and one process delivers it once", ABS_URB, 3, false, "URB4",
     {CAST(URB, 0, "a"), CAST(URB, 0, "a"), GOT(URB, 0, 0, "a"), GOT(URB, 0, 0, "a"),
      GOT(URB, 1, 0, "a"), GOT(URB, 2, 0, "a"), GOT(URB, 2, 0, "a")}},
    {"URB3: never broadcast", ABS_URB, 2, false, "URB3",
     {GOT(URB, 0, 1, "a"), GOT(URB, 1, 1, "a")}},
    {"URB3: broadcast by one that has crashed since", ABS_URB, 2, false, "",
     {CAST(URB, 0, "a"), CRASHED(0), GOT(URB, 1, 0, "a")}},
    {"URB4: what a process delivered that then crashed", ABS_URB, 3, false, "URB4",
     {CAST(URB, 0, "a"), GOT(URB, 0, 0, "a"), CRASHED(0)}},
    {"URB4: all correct processes deliver", ABS_URB, 3, false, "",
     {CAST(URB, 0, "a"), GOT(URB, 0, 0, "a"), CRASHED(0), GOT(URB, 1, 0, "a"),
      GOT(URB, 2, 0, "a")}},

    /* Epochs. */
    {"EC1: a timestamp is used again", ABS_EC, 2, false, "EC1",
     {EPOCH(0, 3, 1), EPOCH(1, 3, 1), EPOCH(0, 3, 1)}},
    {"EC2: one timestamp, two leaders", ABS_EC, 2, false, "EC2 EC3",
     {EPOCH(0, 3, 1), EPOCH(1, 3, 0)}},
    {"EC2: another timestamp, another leader", ABS_EC, 2, false, "",
     {EPOCH(0, 3, 1), EPOCH(1, 3, 1), EPOCH(0, 4, 0), EPOCH(1, 4, 0)}},
    {"EC2: everybody begins in an epoch of p0", ABS_EC, 2, false, "EC2",
     {EPOCH(0, 0, 1), EPOCH(0, 3, 1), EPOCH(1, 3, 1)}},
    {"EC1: an epoch of p0 may be the first that is told", ABS_EC, 2, false, "",
     {EPOCH(0, 0, 0), EPOCH(0, 3, 1), EPOCH(1, 3, 1)}},
    {"EC3: the last leader has crashed", ABS_EC, 3, false, "EC3",
     {EPOCH(0, 4, 1), EPOCH(1, 4, 1), EPOCH(2, 4, 1), CRASHED(1)}},
    {"EC3: a correct process is left in an older epoch", ABS_EC, 3, false, "EC3",
     {EPOCH(0, 4, 1), EPOCH(1, 4, 1)}},
    {"EC3: everybody stays in the first epoch", ABS_EC, 3, false, "", {CRASHED(1)}},
    {"EC3: all end in one epoch", ABS_EC, 3, false, "",
     {EPOCH(0, 2, 2), CRASHED(2), EPOCH(0, 4, 1), EPOCH(1, 4, 1)}},
    {"EP1: decided, never proposed", ABS_EP, 2, false, "EP1",
     {PROP(EP, 0, 1, "a"), DEC(EP, 0, 1, "b"), DEC(EP, 1, 1, "b")}},
    {"EP1: proposed for another instance", ABS_EP, 1, false, "EP1",
     {PROP(EP, 0, 1, "a"), DEC(EP, 0, 1, "a"), DEC(EP, 0, 2, "a")}},
    {"EP1: proposed only in a later epoch", ABS_EP, 2, false, "EP1",
     {EP_IN(0, 2, 0), PROP(EP, 0, 1, "a"), DEC(EP, 1, 1, "a")}},
    {"EP1: proposed in an earlier epoch", ABS_EP, 1, false, "",
     {PROP(EP, 0, 1, "a"), EP_OUT(0), EP_LEFT(0, 0), EP_IN(0, 3, 0), DEC(EP, 0, 1, "a")}},
    {"EP1: proposed by a process that does not lead", ABS_EP, 2, false, "EP1",
     {PROP(EP, 0, 1, "a"), PROP(EP, 1, 2, "a"), DEC(EP, 0, 2, "a"), DEC(EP, 0, 1, "a"),
      DEC(EP, 1, 1, "a")}},
    {"EP1: learned, never proposed", ABS_EP, 2, false, "EP1", {LEARN(EP, 1, 1, "b")}},
    {"EP1 and EP4: learned, never proposed, and then decided differently", ABS_EP, 2, false,
     "EP1 EP4",
     {LEARN(EP, 1, 1, "b"), PROP(EP, 0, 1, "a"), DEC(EP, 0, 1, "a")}},
    {"EP2: two values in one epoch", ABS_EP, 2, false, "EP2",
     {PROP(EP, 0, 1, "a"), PROP(EP, 0, 1, "b"), DEC(EP, 0, 1, "a"), DEC(EP, 1, 1, "b")}},
    {"EP2: one of two proposals", ABS_EP, 2, false, "",
     {PROP(EP, 0, 1, "a"), PROP(EP, 0, 1, "b"), DEC(EP, 0, 1, "b"), DEC(EP, 1, 1, "b")}},
    {"EP3: decided twice in one epoch", ABS_EP, 1, false, "EP3",
     {PROP(EP, 0, 1, "a"), DEC(EP, 0, 1, "a"), DEC(EP, 0, 1, "a")}},
    {"EP3: decided again in a later epoch", ABS_EP, 1, false, "",
     {PROP(EP, 0, 1, "a"), DEC(EP, 0, 1, "a"), EP_OUT(0), EP_LEFT(0, 0), EP_IN(0, 3, 0),
      DEC(EP, 0, 1, "a")}},
    {"EP4: a later epoch decides differently", ABS_EP, 2, false, "EP4",
     {PROP(EP, 0, 1, "a"), DEC(EP, 0, 1, "a"), EP_OUT(1), EP_LEFT(1, 0), EP_IN(1, 3, 1),
      PROP(EP, 1, 1, "b"), DEC(EP, 1, 1, "b")}},
    {"EP4: a later epoch decides the same", ABS_EP, 2, false, "",
     {PROP(EP, 0, 1, "a"), DEC(EP, 0, 1, "a"), EP_OUT(1), EP_LEFT(1, 0), EP_IN(1, 3, 1),
      PROP(EP, 1, 1, "b"), DEC(EP, 1, 1, "a")}},
    {"EP4: an earlier epoch decides differently, later", ABS_EP, 2, false, "EP4",
     {PROP(EP, 0, 1, "a"), EP_OUT(1), EP_LEFT(1, 0), EP_IN(1, 3, 1), PROP(EP, 1, 1, "b"),
      DEC(EP, 1, 1, "b"), DEC(EP, 0, 1, "a")}},
    {"EP4: two learn differently", ABS_EP, 3, false, "EP4",
     {PROP(EP, 0, 1, "a"), PROP(EP, 0, 1, "b"), DEC(EP, 0, 1, "a"), LEARN(EP, 1, 1, "a"),
      LEARN(EP, 2, 1, "b")}},
    {"EP5: learning is as good", ABS_EP, 2, false, "",
     {PROP(EP, 0, 1, "a"), DEC(EP, 0, 1, "a"), LEARN(EP, 1, 1, "a")}},
    {"EP5: the leader proposes, one correct process does not decide", ABS_EP, 2, false, "EP5",
     {PROP(EP, 0, 1, "a"), DEC(EP, 0, 1, "a")}},
    {"EP5: nothing is owed when somebody left the epoch", ABS_EP, 2, false, "",
     {PROP(EP, 0, 1, "a"), EP_OUT(1), EP_LEFT(1, 0), EP_IN(1, 3, 1)}},
    {"EP5: nothing is owed when the leader crashed", ABS_EP, 2, false, "",
     {PROP(EP, 0, 1, "a"), CRASHED(0)}},
    {"EP5: a decision of an earlier epoch is enough", ABS_EP, 1, false, "",
     {PROP(EP, 0, 1, "a"), DEC(EP, 0, 1, "a"), EP_OUT(0), EP_LEFT(0, 0), EP_IN(0, 3, 0),
      PROP(EP, 0, 1, "a")}},
    {"EP6: the abort is never confirmed", ABS_EP, 2, false, "EP6", {EP_OUT(1)}},
    {"EP6: told to abort, and aborted", ABS_EP, 2, false, "", {EP_OUT(1), EP_LEFT(1, 0)}},
    {"EP6: a crash comes first", ABS_EP, 2, false, "", {EP_OUT(1), CRASHED(1)}},
    {"EP6: aborted without being told to", ABS_EP, 2, false, "EP6", {EP_LEFT(1, 0)}},

    /* Consensus. */
    {"UC1: all propose, one does not decide", ABS_UC, 2, false, "UC1",
     {PROP(UC, 0, 1, "a"), PROP(UC, 1, 1, "b")}},
    {"UC1: a correct process decided, another one does not", ABS_UC, 2, false, "UC1",
     {PROP(UC, 0, 1, "a"), DEC(UC, 0, 1, "a")}},
    {"UC1: one proposal alone obliges nobody", ABS_UC, 2, false, "", {PROP(UC, 0, 1, "a")}},
    {"UC1: one proposal, forwarded, obliges all", ABS_UC, 2, true, "UC1", {PROP(UC, 0, 1, "a")}},
    {"UC1: the proposal of a crashed process obliges nobody", ABS_UC, 2, true, "",
     {PROP(UC, 0, 1, "a"), CRASHED(0)}},
    {"UC2: nobody proposed it", ABS_UC, 1, false, "UC2",
     {PROP(UC, 0, 1, "a"), DEC(UC, 0, 1, "b")}},
    {"UC2: proposed by one that has crashed since", ABS_UC, 2, false, "",
     {PROP(UC, 0, 1, "a"), CRASHED(0), PROP(UC, 1, 1, "b"), DEC(UC, 1, 1, "a")}},
    {"UC2: proposed for another instance", ABS_UC, 1, false, "UC2",
     {PROP(UC, 0, 1, "a"), DEC(UC, 0, 1, "a"), DEC(UC, 0, 2, "a")}},
    {"UC3: decided twice", ABS_UC, 1, false, "UC3",
     {PROP(UC, 0, 1, "a"), DEC(UC, 0, 1, "a"), DEC(UC, 0, 1, "a")}},
    {"UC3: each instance is decided once", ABS_UC, 1, false, "",
     {PROP(UC, 0, 1, "a"), PROP(UC, 0, 2, "a"), DEC(UC, 0, 2, "a"), DEC(UC, 0, 1, "a")}},
    {"UC4: decided differently", ABS_UC, 2, false, "UC4",
     {PROP(UC, 0, 1, "a"), PROP(UC, 1, 1, "b"), DEC(UC, 0, 1, "a"), DEC(UC, 1, 1, "b")}},
    {"UC4: decided differently by a process that then crashed", ABS_UC, 2, false, "UC4",
     {PROP(UC, 0, 1, "a"), PROP(UC, 1, 1, "b"), DEC(UC, 0, 1, "a"), CRASHED(0),
      DEC(UC, 1, 1, "b")}},
    {"UC4: decided as by a process that then crashed", ABS_UC, 2, false, "",
     {PROP(UC, 0, 1, "a"), PROP(UC, 1, 1, "b"), DEC(UC, 0, 1, "b"), CRASHED(0),
      DEC(UC, 1, 1, "b")}},
    {"C1: all propose, one does not decide", ABS_C, 2, true, "C1",
     {PROP(C, 0, 1, "a"), PROP(C, 1, 1, "b"), DEC(C, 0, 1, "a")}},
    {"C1: one proposal alone obliges nobody", ABS_C, 2, true, "", {PROP(C, 0, 1, "a")}},
    {"C2: nobody proposed it", ABS_C, 1, false, "C2", {PROP(C, 0, 1, "a"), DEC(C, 0, 1, "b")}},
    {"C2: proposed by one that has crashed since", ABS_C, 2, false, "",
     {PROP(C, 0, 1, "a"), CRASHED(0), PROP(C, 1, 1, "b"), DEC(C, 1, 1, "a")}},
    {"C3: decided twice", ABS_C, 1, false, "C3",
     {PROP(C, 0, 1, "a"), DEC(C, 0, 1, "a"), DEC(C, 0, 1, "a")}},
    {"C3: each instance is decided once", ABS_C, 1, false, "",
     {PROP(C, 0, 1, "a"), PROP(C, 0, 2, "a"), DEC(C, 0, 2, "a"), DEC(C, 0, 1, "a")}},
    {"C4: two correct processes decide differently", ABS_C, 2, false, "C4",
     {PROP(C, 0, 1, "a"), PROP(C, 1, 1, "b"), DEC(C, 0, 1, "a"), DEC(C, 1, 1, "b")}},
    {"C4: who crashes may have decided differently", ABS_C, 2, false, "",
     {PROP(C, 0, 1, "a"), PROP(C, 1, 1, "b"), DEC(C, 0, 1, "a"), CRASHED(0),
      DEC(C, 1, 1, "b")}},
    {"UC: every instance by itself", ABS_UC, 2, false, "",
     {PROP(UC, 0, 1, "a"), PROP(UC, 1, 2, "b"), DEC(UC, 0, 1, "a"), DEC(UC, 1, 2, "b"),
      DEC(UC, 1, 1, "a"), DEC(UC, 0, 2, "b")}},
};
/* clang-format on */

#define SCENARIOS (sizeof scenarios / sizeof scenarios[0])

static void test_FLL2_multiplied_without_end(void **state)
{
    (void)state;
    struct check *c = check_find(ABS_FLL)->open(2);
    struct check_event e = {.type = EV_FLL_SEND, .proc = 1, .msg = (const uint8_t *)"a", .len = 1};
    c->cls->event(c, &e);
    e = (struct check_event){.type = EV_FLL_DELIVER,
                             .at = 1,
                             .msg = (const uint8_t *)"a",
                             .len = 1};
    for (int i = 0; i < 256; i++)
        c->cls->event(c, &e);
    assert_int_equal(c->result[1].state, CHECK_NOT_YET);
    for (int i = 0; i < 256; i++)
        c->cls->event(c, &e);
    assert_int_equal(c->result[1].state, CHECK_VIOLATED);
    c->cls->close(c);
}

static void test_every_property_is_violated_once_and_held_once(void **state)
{
    (void)state;
    all_properties_shown(scenarios, SCENARIOS, false, "FLL2"); /* whose test is above */
}

static void test_a_witness_says_who_what_and_when(void **state)
{
    (void)state;
    struct check *c = check_find(ABS_PL)->open(3);
    uint8_t seventeen[8] = {17};
    struct check_event e =
        {.step = 40, .at = 0, .type = EV_PL_SEND, .proc = 2, .msg = seventeen, .len = 8};
    c->cls->event(c, &e);
    e = (struct check_event){.step = 41,
                             .at = 2,
                             .type = EV_PL_DELIVER,
                             .proc = 0,
                             .msg = seventeen,
                             .len = 8};
    c->cls->event(c, &e);
    e.step = 57;
    c->cls->event(c, &e);
    assert_string_equal(c->result[1].witness,
                        "p2 delivered 17 from p0 twice (first at step 41, last at 57), but it was "
                        "sent once");
    assert_int_equal(c->result[1].step, 57);
    c->cls->close(c);
}

/* Many messages: tables grow, rows stay, a reset begins anew. */
static void test_many_messages_and_a_reset(void **state)
{
    (void)state;
    struct check *c = check_find(ABS_BEB)->open(3);
    for (int round = 0; round < 3; round++) {
        for (uint64_t v = 0; v < 20000; v++) {
            struct check_event e = {.step = v,
                                    .at = (uint16_t)(v % 3),
                                    .type = EV_BEB_BROADCAST,
                                    .msg = (const uint8_t *)&v,
                                    .len = 8};
            c->cls->event(c, &e);
        }
        for (uint64_t v = 20000; v-- > 0;)
            for (uint16_t p = 0; p < 3; p++) {
                struct check_event e = {.step = 20000 + v,
                                        .at = p,
                                        .proc = (uint16_t)(v % 3),
                                        .type = EV_BEB_DELIVER,
                                        .msg = (const uint8_t *)&v,
                                        .len = 8};
                c->cls->event(c, &e);
            }
        c->cls->end(c, true, 99999);
        assert_int_equal(c->violations, 0);
        c->cls->reset(c);
    }
    c->cls->close(c);
}

int main(void)
{
    static struct CMUnitTest tests[SCENARIOS + 4];
    size_t n = 0;
    for (size_t i = 0; i < SCENARIOS; i++)
        tests[n++] = (struct CMUnitTest){scenarios[i].name, test_scenario, NULL, NULL,
                                         (void *)(uintptr_t)&scenarios[i]};
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_FLL2_multiplied_without_end),
        cmocka_unit_test(test_every_property_is_violated_once_and_held_once),
        cmocka_unit_test(test_a_witness_says_who_what_and_when),
        cmocka_unit_test(test_many_messages_and_a_reset),
    };
    for (size_t i = 0; i < 4; i++)
        tests[n++] = others[i];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
