/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An instance from within: where it keeps what, and what is open. Where pins stand:
 *
 *   BPFFS/v1/                       locked by flock by who changes something: see lock.h
 *   BPFFS/v1/host/{maps,links,progs}    the socket hooks and their maps, one set a host
 *   BPFFS/v1/ns-COOKIE/maps/NAME        maps of the network namespace with that cookie
 *   BPFFS/v1/ns-COOKIE/progs/NAME       the tc programs, and the lwt programs that all tunnels and all
 *                                       guards share
 *   BPFFS/v1/ns-COOKIE/links/SIDE-IFINDEX   links on tcx; comes with the first
 *   BPFFS/v1/ns-COOKIE/tunnels/NAME/{xmit,in}   the lwt stubs of a tunnel, which lead there
 *   BPFFS/v1/ns-COOKIE/xmit/NAME        the first of them again: the kernel shows the last part of
 *                                       the path for routes made by hand
 *   BPFFS/v1/ns-COOKIE/guards/ID        the lwt programs of routes' guards
 *   BPFFS/v1/ns-COOKIE/inner/ID         maps in maps of maps, for who may not open them by id
 *   BPFFS/v1/ns-COOKIE/tc/globals       leads to maps, for stock tc and ip
 *   STATE/ns-COOKIE/state.yaml      what was applied last
 *   STATE/ns-COOKIE/ledger          what was done to devices (ledger.h)
 *   STATE/ns-COOKIE/change          the journal of a change that is being made
 */
#ifndef CV_INSTANCE_H
#define CV_INSTANCE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "culvert.h"
#include "nl.h"
#include "text.h"

struct cv_preload;

struct cv_instance {
	struct cv_instance_options options;
	enum cv_access access;
	char name[CV_NAME_MAX + 1]; /* ns-COOKIE */
	uint64_t netns_cookie;
	uint64_t netns_inode;
	char root[PATH_MAX]; /* BPFFS/v1 */
	char host_maps[PATH_MAX];
	char host_links[PATH_MAX];
	char host_progs[PATH_MAX];
	char dir[PATH_MAX]; /* BPFFS/v1/ns-COOKIE */
	char maps[PATH_MAX];
	char progs[PATH_MAX];
	char links[PATH_MAX];
	char tunnels[PATH_MAX];
	char xmit[PATH_MAX];
	char guards[PATH_MAX];
	char stock[PATH_MAX];
	char inner[PATH_MAX];
	char state_dir[PATH_MAX];
	int lock_fd; /* -1: to read only */
	int older_fd; /* lock of pins of an older version (takeover.h); -1: there are none */
	int mount_fd; /* the bpffs of cv_instance_pretend(); -1: none */
	int files_prog; /* see host.h; -1 until it is needed */
	struct cv_preload *preload; /* see preload.h; NULL: nothing is being loaded */
	struct cv_nl *nl;
	/* While a change is undone: rules from before it, which have the sets whose files are not read
	 * again. Borrowed; NULL: those that are live have them. */
	const struct cv_rules *former_rules;
};

/* True if this network namespace has pins of ours. */
bool cv_instance_exists(const struct cv_instance *inst);

/* Opens a map of the instance, or of the host. -ENOENT has a text here: a map is missing. */
int cv_instance_map(const struct cv_instance *inst, const char *name, struct cv_err *err);
int cv_host_map(const struct cv_instance *inst, const char *name, struct cv_err *err);

/* Reads and writes the meta map. */
int cv_meta_read(const struct cv_instance *inst, struct cv_meta *meta, struct cv_err *err);
int cv_meta_write(const struct cv_instance *inst, const struct cv_meta *meta, struct cv_err *err);

/* Makes its directories, and the host's, as far as they are not there. */
int cv_instance_make_dirs(const struct cv_instance *inst, struct cv_err *err);

/* Makes the directories, maps and programs of an instance that does not exist yet; on failure
 * nothing is left. has_apps: the socket hooks will be needed, too. */
int cv_instance_create(struct cv_instance *inst, bool has_apps, struct cv_err *err);
/* Makes such an instance that nobody else sees and that is gone with the process, so that what it
 * would take to make it real can be looked at. */
int cv_instance_pretend(struct cv_instance *inst, bool has_apps, struct cv_err *err);
/* Removes the pins and the state of the instance, and the host's parts if no other is left. */
int cv_instance_remove(struct cv_instance *inst, struct cv_err *err);
/* Removes the pins of the instance that are of another version of the ABI. */
int cv_instance_remove_version(const struct cv_instance *inst, uint32_t version,
			       struct cv_err *err);

/* The file that holds the text of the state that is applied now; path has PATH_MAX bytes. */
int cv_applied_path(const struct cv_instance *inst, char *path, struct cv_err *err);
/* Keeps the text of the state that is applied now; replaces the old one in one step. */
int cv_applied_write(const struct cv_instance *inst, const char *text, struct cv_err *err);
/* The same in two: the text is written aside, and takes the place of the old one. */
int cv_applied_prepare(const struct cv_instance *inst, cv_text_fn put, const void *arg,
		       struct cv_err *err);
int cv_applied_turn(const struct cv_instance *inst, struct cv_err *err);
/* Removes what a writer of it that was killed has left. */
void cv_applied_tidy(const struct cv_instance *inst);

/* Removes what instances of network namespaces that are gone have left. */
int cv_reap(struct cv_instance *inst, struct cv_err *err);

void cv_log(const struct cv_instance *inst, enum cv_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
