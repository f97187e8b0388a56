/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The quick way through a state file: sections and their items one after the other, without a tree
 * of the whole. It takes what `save` writes, what JSON and YAML libraries write and what people
 * mostly do, and hands back just the nodes that cv_yaml_parse() would have made, places included.
 * Everything else is not refused but left to cv_yaml_parse(): faults of syntax, duplicate keys,
 * escapes, block scalars, scalars of several lines, tabs, and whatever the subset leaves out.
 */
#ifndef CV_YAML_SCAN_H
#define CV_YAML_SCAN_H

#include "yaml.h"

struct cv_scan;

/* The text and the name of its file are borrowed. Returns 0 or -ENOMEM. */
int cv_scan_new(struct cv_scan **out, const char *file, const char *text, size_t len);
void cv_scan_free(struct cv_scan **scan);

/*
 * The next section: 1 with its key and value, borrowed until the next section is asked for; 0
 * behind the last one; -1 if the text is one for cv_yaml_parse(), as it may turn out at any time: what was
 * handed out till then is void. The value of a mapping or sequence is an empty node: its items are
 * asked for one by one, those that are not are passed over.
 */
int cv_scan_section(struct cv_scan *scan, const struct cv_yaml_node **key,
		    const struct cv_yaml_node **value);

/* The next item of the section; a sequence's has no key (NULL). The same answers; the nodes are
 * whole, and borrowed until the next item or section is asked for. */
int cv_scan_item(struct cv_scan *scan, const struct cv_yaml_node **key,
		 const struct cv_yaml_node **value);

#endif
