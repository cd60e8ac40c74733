/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One question to all workers: each answers in its own thread, and when the
 * last one has, `done` runs in the asker's. */
#ifndef TSCF_TSCFD_INQUIRY_H
#define TSCF_TSCFD_INQUIRY_H

#include <jansson.h>

#include "tscfd/worker.h"

struct inquiry {
	/* Runs in the worker's thread; returns an owned value. */
	json_t *(*ask)(struct worker *worker, const struct inquiry *inquiry);
	/* Runs in the asker's thread, with one answer per worker. Owns nothing. */
	void (*done)(struct inquiry *inquiry, json_t *const *answers, size_t count);
	void *owner;                              /* for `done` */
	void *subject;                            /* for `done`: whom to answer */
	json_t *request;                          /* read by `ask`; owned by the inquiry */
	void (*release)(struct inquiry *inquiry); /* frees `subject`; may be NULL */
};

/* Takes a copy of `inquiry` (and its request).  0 or -ENOMEM; then nothing was
 * taken. */
int inquiry_start(const struct inquiry *inquiry, struct mailbox *asker, struct worker *workers,
	unsigned worker_count);

#endif
