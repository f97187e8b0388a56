/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tcx: the chains of programs that a device has beside tc, met before the filters of clsact. Linux has
 * it from 6.6 on. A program is put there by a link, which is taken off when nothing holds it any more,
 * a pin or a process. Of which link is ours nothing is known here.
 */
#ifndef CV_TCX_H
#define CV_TCX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* One place of a chain. */
struct cv_tcx_program {
	uint32_t prog_id;
	uint32_t link_id; /* 0: attached without a link */
};

/* One side of a device, in the order in which packets meet it. */
struct cv_tcx_chain {
	struct cv_tcx_program *items; /* owned */
	size_t count;
	uint64_t revision; /* changes with the chain */
	bool is_hidden; /* this process may not read it: CAP_NET_ADMIN is missing */
};

/* True if this kernel has it. It is tried. */
bool cv_tcx_is_supported(void);
/* True if this process lacks CAP_NET_ADMIN, without which chains cannot be read. */
bool cv_tcx_is_hidden(void);

/* Reads a chain; an empty one on kernels without tcx, and where it is hidden. */
int cv_tcx_query(uint32_t ifindex, bool ingress, struct cv_tcx_chain *out, struct cv_err *err);
void cv_tcx_chain_fini(struct cv_tcx_chain *chain);

#define CV_TCX_NOWHERE SIZE_MAX

/* Puts a program into the chain that was read: before the one at that index, behind the last if
 * that is the chain's count. Returns the fd of its link; -ESTALE, with a text, if the chain has
 * changed since. */
int cv_tcx_attach(uint32_t ifindex, bool ingress, int prog_fd, const struct cv_tcx_chain *chain,
		  size_t index, struct cv_err *err);

/* What a link is. */
struct cv_tcx_link {
	uint32_t id;
	uint32_t prog_id;
	uint32_t ifindex; /* 0: its device is gone */
	bool ingress;
};
/* Returns 1, 0 if fd is not a link on tcx, or a negative errno. */
int cv_tcx_link_read(int fd, struct cv_tcx_link *out, struct cv_err *err);
/* Puts another program in the place of the link's, between two packets. */
int cv_tcx_link_update(int link_fd, int prog_fd, struct cv_err *err);
/* Takes a link off its device, whoever holds it. */
int cv_tcx_link_detach_id(uint32_t link_id, struct cv_err *err);
int cv_tcx_link_detach(int link_fd, struct cv_err *err);

/* The index in the chain of what text names: a program by its name or id, or by the path of its
 * link's pin. With two of one name the first, or the last. CV_TCX_NOWHERE if there is none. */
size_t cv_tcx_find(const struct cv_tcx_chain *chain, const char *text, bool is_last);
/* That of the link of that id. */
size_t cv_tcx_find_link(const struct cv_tcx_chain *chain, uint32_t link_id);

/* The name of a program, "" if it cannot be told. name has room for 16 bytes. */
void cv_prog_name(uint32_t prog_id, char name[16]);

#endif
