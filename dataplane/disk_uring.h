/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk of real files: O_DIRECT, a flush linked behind each write, io_uring with registered files
 * and buffers.
 */
#ifndef UPON_DISK_URING_H
#define UPON_DISK_URING_H

#include "disk.h"
#include "log.h"

struct disk_uring_conf {
    const char *dir; /* of one log: super, seg-0000 … */
    struct log_shape shape;
    uint32_t buffers;      /* writes under way, plus one to stage into; 2 to 64 */
    uint32_t buffer_bytes; /* the largest batch; a multiple of a block */
    bool sqpoll;           /* let a kernel thread submit: costs a core, saves the system call */
};

/*
 * Make the folder with zero-filled segments and an empty super file. Takes as long as writing all
 * of it does. 0, or −errno with a sentence in `why`; what it began it removes.
 */
int disk_uring_create(const struct disk_uring_conf *conf, char *why, size_t why_size);

/* Remove the files of a log that no process has open, and the folder, if nothing else is in it. */
void disk_uring_remove(const char *dir, uint32_t slots);

/* Make a folder, durably, unless there is one: *made says which. 0 or −errno. */
int disk_folder_make(const char *dir, bool *made);

/*
 * Open it, for this process alone: a second opener is refused. 0 or −errno with a sentence. The
 * shape must be what it was created with; disk_uring_shape() reads it from there. `read_only`: to
 * look at, also where there is no direct I/O; nobody can open it to write meanwhile.
 */
int disk_uring_open(struct disk **d, const struct disk_uring_conf *conf, bool read_only, char *why,
                    size_t why_size);

/* The shape of the log in a folder, from its files. 0 or −errno with a sentence. */
int disk_uring_shape(const char *dir, struct log_shape *shape, char *why, size_t why_size);

#endif
