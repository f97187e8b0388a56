/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer: any bytes as a state file. What the quick scanner takes, libyaml takes without a fault,
 * and both make the same nodes. yaml_scan_test.c includes this file.
 */
#include "yaml_scan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same_place(const struct cv_place *a, const struct cv_place *b)
{
	return a->line == b->line && a->column == b->column && !strcmp(a->file, b->file);
}

/* The node itself, without its items. */
static bool same_node(const struct cv_yaml_node *a, const struct cv_yaml_node *b)
{
	if (a->kind != b->kind || a->is_quoted != b->is_quoted || !same_place(&a->place, &b->place))
		return false;
	return a->kind != CV_YAML_SCALAR || !strcmp(a->text, b->text);
}

static bool same_tree(const struct cv_yaml_node *a, const struct cv_yaml_node *b)
{
	if (!same_node(a, b) || a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!same_tree(a->items[i], b->items[i]))
			return false;
	return true;
}

/* The items of a section, those that the scanner has left: 1 the same, 0 not taken, -1 not the same. */
static int same_items(struct cv_scan *scan, const struct cv_yaml_node *section)
{
	size_t step = section->kind == CV_YAML_MAPPING ? 2 : 1;
	const struct cv_yaml_node *key, *value;
	size_t at = 0;
	int rc;

	while ((rc = cv_scan_item(scan, &key, &value)) > 0) {
		if (at >= section->count || !same_tree(value, section->items[at + step - 1]))
			return -1;
		if (step == 2 ? !key || !same_tree(key, section->items[at]) : !!key)
			return -1;
		at += step;
	}
	return rc < 0 ? 0 : at == section->count ? 1 : -1;
}

/* All that the scanner hands out, compared with a tree: the same answers. */
static int same_sections(struct cv_scan *scan, const struct cv_yaml_node *root)
{
	size_t at = 0, count = root && root->kind == CV_YAML_MAPPING ? root->count : 0;
	const struct cv_yaml_node *key, *value;
	int rc;

	while ((rc = cv_scan_section(scan, &key, &value)) > 0) {
		if (at + 2 > count || !same_tree(key, root->items[at]) ||
		    !same_node(value, root->items[at + 1]))
			return -1;
		rc = same_items(scan, root->items[at + 1]);
		if (rc <= 0)
			return rc;
		at += 2;
	}
	if (rc < 0)
		return 0;
	return at == count && (!root || root->kind == CV_YAML_MAPPING) ? 1 : -1;
}

/* Until the scanner gives up, it may hand out what libyaml does not have. */
static bool is_taken(const char *text, size_t len)
{
	CV_CLEANUP(cv_scan_free) struct cv_scan *scan = NULL;
	const struct cv_yaml_node *key, *value;
	int rc;

	if (cv_scan_new(&scan, "fuzz", text, len))
		abort();
	while ((rc = cv_scan_section(scan, &key, &value)) > 0)
		;
	return !rc;
}

/* Whether both read a text alike: 1 yes, 0 the scanner does not take it, -1 no. */
static int compare(const char *text, size_t len)
{
	CV_CLEANUP(cv_scan_free) struct cv_scan *scan = NULL;
	CV_CLEANUP(cv_yaml_free) struct cv_yaml_node *root = NULL;
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;

	if (!is_taken(text, len))
		return 0;
	if (cv_report_new(&report, NULL, false) || cv_scan_new(&scan, "fuzz", text, len))
		abort();
	if (cv_yaml_parse(&root, "fuzz", text, len, report))
		return -1;
	/* It gives the same answer each time. */
	return same_sections(scan, root) == 1 ? 1 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (compare((const char *)data, size) < 0)
		abort();
	return 0;
}
