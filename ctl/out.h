/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What goes to stdout: a streaming JSON writer, and tables for people from the same calls' data. */
#ifndef CV_OUT_H
#define CV_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The code point at *at, or -1 for a byte that is not UTF-8 (it counts as one character); moves *at
 * behind it. *at is before end. */
int32_t cv_utf8_next(const char **at, const char *end);

/* True if all of a text is UTF-8. */
bool cv_utf8_is_good(const char *text);

/* Writes text so that it cannot steer a terminal: '?' for control characters (tab and newline too),
 * U+FFFD for bytes that are not UTF-8. Returns the number of characters. */
size_t cv_put_text(FILE *stream, const char *text);

#define CV_JSON_DEPTH 16

/* Writes one JSON document; commas and quoting are its own affair. key is NULL inside arrays and at
 * the top. Misuse (a key in an array, too deep, an unbalanced end) is asserted. */
struct cv_json {
	FILE *stream;
	int depth;
	bool is_array[CV_JSON_DEPTH];
	bool has_items[CV_JSON_DEPTH];
};

void cv_json_init(struct cv_json *json, FILE *stream);
/* Writes the newline after the document. */
void cv_json_end(struct cv_json *json);

void cv_json_open_object(struct cv_json *json, const char *key);
void cv_json_open_array(struct cv_json *json, const char *key);
void cv_json_close(struct cv_json *json);
void cv_json_string(struct cv_json *json, const char *key, const char *value); /* NULL: null */
void cv_json_number(struct cv_json *json, const char *key, uint64_t value);
void cv_json_bool(struct cv_json *json, const char *key, bool value);
void cv_json_null(struct cv_json *json, const char *key);

/* A table: columns as wide as their widest cell, two blanks between, a header line, numbers that
 * begin with a digit aligned right only in columns declared so. Cells are copied. */
struct cv_table;
int cv_table_new(struct cv_table **out, const char *const *headers, size_t columns);
/* One row of `columns` strings; NULL prints as "-". Returns 0 or -ENOMEM. */
int cv_table_row(struct cv_table *table, const char *const *cells);
void cv_table_align_right(struct cv_table *table, size_t column);
void cv_table_print(const struct cv_table *table, FILE *stream);
void cv_table_free(struct cv_table **table);

#endif
