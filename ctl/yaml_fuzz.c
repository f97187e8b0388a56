/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libFuzzer: any bytes as a state file. The first byte picks text or JSON for the report. Scalars
 * of a good tree are written and read again, and must be the same.
 */
#include "yaml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int parse(const char *text, size_t len, bool is_json, struct cv_yaml_node **root)
{
	char *printed CV_FREE = NULL;
	size_t printed_len = 0;
	FILE *stream CV_FCLOSE = open_memstream(&printed, &printed_len);
	struct cv_report *report CV_CLEANUP(cv_report_free) = NULL;
	int code;

	if (!stream || cv_report_new(&report, stream, is_json) < 0)
		abort();
	cv_report_source(report, "fuzz", text, len);
	code = cv_yaml_parse(root, "fuzz", text, len, report);
	if ((code < 0) != (cv_report_errors(report) > 0))
		abort();
	return code;
}

static void check_scalar(const char *scalar)
{
	struct cv_yaml_node *root CV_CLEANUP(cv_yaml_free) = NULL;
	char *text CV_FREE = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&text, &len);

	if (!stream)
		abort();
	fputc('[', stream);
	cv_yaml_put_scalar(stream, scalar);
	fputc(']', stream);
	fclose(stream);
	if (parse(text, len, false, &root) < 0 || root->count != 1 ||
	    strcmp(root->items[0]->text, scalar) != 0)
		abort();
}

static void check_tree(const struct cv_yaml_node *node)
{
	if (node->kind == CV_YAML_SCALAR)
		check_scalar(node->text);
	for (size_t i = 0; i < node->count; i++)
		check_tree(node->items[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_yaml_node *root CV_CLEANUP(cv_yaml_free) = NULL;

	if (!size)
		return 0;
	if (parse((const char *)data + 1, size - 1, data[0] & 1, &root) == 0 && root)
		check_tree(root);
	return 0;
}
