/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The YAML subset of the state file as a tree with places: mappings, sequences and scalars; no
 * anchors, aliases, tags, merge keys, duplicate keys or further documents; at most CV_YAML_DEPTH
 * deep. Scalars stay text, the words they stand for give them their type. Parsing is libyaml's.
 */
#ifndef CV_YAML_H
#define CV_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "culvert.h"
#include "report.h"

#define CV_YAML_DEPTH 16
#define CV_YAML_MAX_BYTES (256u << 20) /* a million rules of 268 bytes */

enum cv_yaml_kind { CV_YAML_SCALAR, CV_YAML_SEQUENCE, CV_YAML_MAPPING };

struct cv_yaml_node {
	struct cv_place place;
	char *text; /* scalar: its text, zero-terminated, without embedded zeros */
	struct cv_yaml_node **items; /* sequence: items; mapping: key, value, key, value, ... */
	size_t count; /* of items: twice the number of pairs for a mapping */
	enum cv_yaml_kind kind;
	bool is_quoted; /* scalar: '' or "" or a block scalar */
};

/*
 * Parses text. file names it in places (borrowed by the tree); the report shows lines of it if it was told of the
 * text, too. All faults that can be told apart
 * go to the report (a syntax error ends the parse; duplicate keys, tags, anchors do not), each with
 * its place and, for the traps of this field, a hint: an IPv6 address that must be quoted, a tab,
 * a value that begins with %, @ or *. Returns 0 with *out (NULL for an empty file), or -EINVAL if
 * anything was reported: with *out untouched after a fault of syntax, else with the tree, so that
 * its other faults can be reported in the same run.
 */
int cv_yaml_parse(struct cv_yaml_node **out, const char *file, const char *text, size_t len,
		  struct cv_report *report);
void cv_yaml_free(struct cv_yaml_node **node);

/* Writes text as a YAML scalar that reads back as the same text in block and in flow style: plain
 * where that is safe, else double-quoted. */
void cv_yaml_put_scalar(FILE *stream, const char *text);
/* The same of a name: quoted also where another reader of YAML would take it for a number, a date,
 * true, false or nothing. */
void cv_yaml_put_name(FILE *stream, const char *text);
/* True if that writes it without quotes. */
bool cv_yaml_is_plain_name(const char *text);

#endif
