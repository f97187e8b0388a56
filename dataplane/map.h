/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * BPF maps and pins by path. A *slot* is an outer map whose element is the array of the current
 * generation: cv_slot_write() builds a new array aside and puts it in with one update, which
 * returns when no packet reads the old one any more.
 */
#ifndef CV_MAP_H
#define CV_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "err.h"

/* Told to who may not open a pin. */
#define CV_READERS_HINT "reading needs root, or membership in the group culvert if the host has one"

#define CV_STRING_(x) #x
#define CV_STRING(x) CV_STRING_(x) /* CV_STRING(CV_MAP_ENDPOINTS): the name as text */

/* Opens what is pinned at DIR/NAME, only to be read if no more is allowed. Returns an fd or a negative
 * errno; -ENOENT sets no text. */
int cv_pin_open(const char *dir, const char *name, struct cv_err *err);
/* True if something is pinned at DIR/NAME; it is not opened. */
bool cv_pin_exists(const char *dir, const char *name);
/* Pins fd at DIR/NAME. */
int cv_pin_set(int fd, const char *dir, const char *name, struct cv_err *err);
/* Pins fd at DIR/NAME in place of what is pinned there, without a moment in which nothing is. */
int cv_pin_replace(int fd, const char *dir, const char *name, struct cv_err *err);
/* Makes DIR/NAME a second name of the pin FROM_DIR/FROM. */
int cv_pin_link(const char *from_dir, const char *from, const char *dir, const char *name,
		struct cv_err *err);
/* Removes the pin DIR/NAME; that it is gone already is not an error. */
int cv_pin_del(const char *dir, const char *name, struct cv_err *err);
/* Makes the directory DIR and those above it. */
int cv_dir_make(const char *dir, struct cv_err *err);
/* Makes DIR/NAME lead to target; that it is there already is not an error. */
int cv_dir_link(const char *dir, const char *name, const char *target, struct cv_err *err);
/* Removes DIR with all pins and directories in it, at most 8 deep; gone already is no error. */
int cv_dir_remove(const char *dir, struct cv_err *err);

/* Opens a map by its id; who lacks CAP_SYS_ADMIN for that, by its pin where cv_map_ids_are_pinned()
 * said last: as the network namespace, the instance is the process's. An fd or a negative errno,
 * also in errno. */
int cv_map_by_id(uint32_t id);
void cv_map_ids_are_pinned(const char *dir);
/* Pins a map that goes into a map of maps by its id, if the directory for that is there. */
void cv_map_keep_id(int map_fd);

/* Maps the memory of an array that has it, or, of one that is open only to be read, a copy of it. To be
 * unmapped; MAP_FAILED with errno. */
void *cv_map_memory(int map_fd, size_t size, int flags);

/* The array that a slot holds. */
struct cv_slot_shape {
	const char *name; /* of the inner map, at most 15 characters */
	uint32_t value_size;
	uint32_t max_entries;
	/* Programs hand its value to global functions: the verifier wants it writable then. */
	bool is_passed_on;
};

/* Reads the current array: max_entries values; all zero if the slot is empty. */
int cv_slot_read(int slot_fd, const void *key, const struct cv_slot_shape *shape, void *values,
		 struct cv_err *err);
/* Makes an array with these values, to be put into a slot. Returns its fd. */
int cv_slot_make(const struct cv_slot_shape *shape, const void *values, struct cv_err *err);
/* Puts in a new array with these values. */
int cv_slot_write(int slot_fd, const void *key, const struct cv_slot_shape *shape,
		  const void *values, struct cv_err *err);

/* Reads the ids of the arrays in slots of one map whose keys are numbers, from the slot first on, at most
 * count, up to the first that was never set. Returns how many, or a negative errno without text. One by
 * one, because before Linux 6.8 to read a slot, if only to find it empty, takes a grace period: to ask
 * for all of a thousand in a batch takes a quarter of a minute there. */
int cv_slots_read(int slots_fd, uint32_t first, uint32_t count, uint32_t *ids);

#define CV_SLOTS_AT_ONCE 64

/* Arrays that are to be put into slots of one map, whose keys are numbers: each change of a slot waits
 * for all programs that run, but those of a batch wait once (Linux 6.1 still does for each). */
struct cv_slot_batch {
	int map_fd; /* borrowed */
	uint32_t slots[CV_SLOTS_AT_ONCE];
	int arrays[CV_SLOTS_AT_ONCE]; /* owned */
	uint32_t count;
};

/* Adds one, and puts all in when there are as many as fit. Takes the array; a negative one is an error
 * that has been told, and returned. */
int cv_slot_batch_add(struct cv_slot_batch *batch, uint32_t slot, int array, struct cv_err *err);
/* Puts in what has been added. */
int cv_slot_batch_put(struct cv_slot_batch *batch, struct cv_err *err);
/* Drops what was not put in. */
void cv_slot_batch_close(struct cv_slot_batch *batch);

/* Adds up a per-CPU value that consists of 64-bit counters only. -ENOENT sets no text. */
int cv_percpu_sum(int map_fd, const void *key, uint64_t *sums, size_t counters, struct cv_err *err);
/* Sets all CPUs' counters to zero. */
int cv_percpu_clear(int map_fd, const void *key, size_t counters, struct cv_err *err);

/* Calls fn for each key of a map, keys copied beforehand, so fn may delete. At most max keys. */
typedef int (*cv_map_key_fn)(int map_fd, const void *key, void *arg, struct cv_err *err);
int cv_map_each(int map_fd, size_t key_size, size_t max, cv_map_key_fn fn, void *arg,
		struct cv_err *err);

/* Reads the first count values of an array by one call. */
int cv_array_read(int map_fd, uint32_t count, void *values, struct cv_err *err);

/* What a map holds: keys[i] has values[i], in no order. */
struct cv_map_copy {
	char *keys; /* owned */
	char *values; /* owned */
	size_t count;
};

/* Reads a whole hash map or LPM trie, many entries by one call. max: a bound of what it may hold. */
int cv_map_read(int map_fd, size_t key_size, size_t value_size, size_t max, struct cv_map_copy *out,
		struct cv_err *err);
void cv_map_copy_fini(struct cv_map_copy *copy);

union bpf_iter_link_info;

/* Opens a reader over what an iterator writes; info (may be NULL) says what it walks over. NULL with
 * errno if that fails. */
FILE *cv_iterator_open(int prog_fd, const union bpf_iter_link_info *info);

/* Id of a program fd, 0 if it cannot be told. */
uint32_t cv_prog_id(int prog_fd);

#endif
