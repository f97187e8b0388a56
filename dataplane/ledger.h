/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What culvert has done to devices, so that it can be undone and nothing else is: where its filters
 * and links are, which clsact qdiscs it made, which settings it changed. CV_MAP_DEVS has it for
 * programs, and STATE/ns-COOKIE/ledger once more, which outlives a bpffs that is unmounted.
 *
 * What is to be done is written before it is done: something that no ledger knows would stay for ever.
 */
#ifndef CV_LEDGER_H
#define CV_LEDGER_H

#include "instance.h"

struct cv_ledger_entry {
	uint32_t ifindex;
	struct cv_dev dev;
};

struct cv_ledger {
	struct cv_ledger_entry *items; /* owned; each ifindex once */
	size_t count;
	size_t capacity;
};

/* Reads both. Of a device that stands in both, the map counts. */
int cv_ledger_read(const struct cv_instance *inst, struct cv_ledger *out, struct cv_err *err);
/* Makes both say what the ledger says; writes neither if it does already. */
int cv_ledger_write(const struct cv_instance *inst, const struct cv_ledger *ledger,
		    struct cv_err *err);
/* Removes what a writer of the text that was killed has left. */
void cv_ledger_tidy(const struct cv_instance *inst);
int cv_ledger_add(struct cv_ledger *ledger, uint32_t ifindex, const struct cv_dev *dev,
		  struct cv_err *err);
/* NULL: it knows nothing of it. An ifindex may have been given to another device meanwhile. */
const struct cv_dev *cv_ledger_find(const struct cv_ledger *ledger, uint32_t ifindex);
void cv_ledger_fini(struct cv_ledger *ledger);

/* The text, and back from it; what it does not understand it leaves out. Caller frees; NULL without
 * memory. */
char *cv_ledger_format(const struct cv_ledger *ledger);
int cv_ledger_parse(const char *text, struct cv_ledger *out, struct cv_err *err);

#endif
