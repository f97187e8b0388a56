/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing for programs (JSON) and for people (tables): see out.h. Nothing here knows what the
 * values mean. Text from outside, such as command names, is made harmless for terminals on the way.
 */
#include "out.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Length of the sequence that begins with first, and the smallest code point it may stand for; 0
 * when no sequence begins so. */
static int sequence_length(unsigned char first, int32_t *smallest)
{
	if ((first & 0xe0) == 0xc0) {
		*smallest = 0x80;
		return 2;
	}
	if ((first & 0xf0) == 0xe0) {
		*smallest = 0x800;
		return 3;
	}
	*smallest = 0x10000;
	return (first & 0xf8) == 0xf0 ? 4 : 0;
}

int32_t cv_utf8_next(const char **at, const char *end)
{
	const unsigned char *bytes = (const unsigned char *)*at;
	int32_t code, smallest;
	int length;

	(*at)++;
	if (bytes[0] < 0x80)
		return bytes[0];
	length = sequence_length(bytes[0], &smallest);
	if (!length || end - (const char *)bytes < length)
		return -1;
	code = bytes[0] & (0x7f >> length);
	for (int i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return -1;
		code = code << 6 | (bytes[i] & 0x3f);
	}
	if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return -1;
	*at += length - 1;
	return code;
}

bool cv_utf8_is_good(const char *text)
{
	const char *end = text + strlen(text);

	while (text < end)
		if (cv_utf8_next(&text, end) < 0)
			return false;
	return true;
}

static bool is_control(int32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/* How many characters in front need no second look: ASCII, neither control nor quote nor backslash. */
static size_t count_harmless(const char *text, const char *end)
{
	const char *at = text;

	while (at < end && *at >= ' ' && *at < 0x7f && *at != '"' && *at != '\\')
		at++;
	return at - text;
}

/* Writes them, and moves *text behind them. Returns how many there were. */
static size_t put_harmless(FILE *stream, const char **text, const char *end)
{
	size_t count = count_harmless(*text, end);

	fwrite(*text, 1, count, stream);
	*text += count;
	return count;
}

size_t cv_put_text(FILE *stream, const char *text)
{
	const char *end = text + strlen(text);
	size_t count = put_harmless(stream, &text, end);

	while (text < end) {
		const char *start = text;
		int32_t code = cv_utf8_next(&text, end);

		if (code < 0)
			fputs(REPLACEMENT, stream);
		else if (is_control(code))
			fputc('?', stream);
		else
			fwrite(start, 1, (size_t)(text - start), stream);
		count += 1 + put_harmless(stream, &text, end);
	}
	return count;
}

static void put_json_escape(FILE *stream, int32_t code)
{
	static const char letters[] = "\"\\\b\f\n\r\t";
	const char *found = strchr(letters, code);

	if (found)
		fprintf(stream, "\\%c", "\"\\bfnrt"[found - letters]);
	else
		fprintf(stream, "\\u%04x", (unsigned int)code);
}

static void put_json_text(FILE *stream, const char *text)
{
	const char *end = text + strlen(text);

	fputc('"', stream);
	put_harmless(stream, &text, end);
	while (text < end) {
		const char *start = text;
		int32_t code = cv_utf8_next(&text, end);

		if (code < 0)
			fputs(REPLACEMENT, stream);
		else if (is_control(code) || code == '"' || code == '\\')
			put_json_escape(stream, code);
		else
			fwrite(start, 1, (size_t)(text - start), stream);
		put_harmless(stream, &text, end);
	}
	fputc('"', stream);
}

void cv_json_init(struct cv_json *json, FILE *stream)
{
	*json = (struct cv_json){ .stream = stream };
}

void cv_json_end(struct cv_json *json)
{
	assert(json->depth == 0);
	fputc('\n', json->stream);
}

/* The comma and the key in front of a value. */
static void begin_value(struct cv_json *json, const char *key)
{
	int top = json->depth - 1;

	assert(!!key == (json->depth && !json->is_array[top]));
	if (!json->depth)
		return;
	if (json->has_items[top])
		fputc(',', json->stream);
	json->has_items[top] = true;
	if (!key)
		return;
	put_json_text(json->stream, key);
	fputc(':', json->stream);
}

static void open_level(struct cv_json *json, const char *key, bool is_array)
{
	assert(json->depth < CV_JSON_DEPTH);
	begin_value(json, key);
	fputc(is_array ? '[' : '{', json->stream);
	json->is_array[json->depth] = is_array;
	json->has_items[json->depth] = false;
	json->depth++;
}

void cv_json_open_object(struct cv_json *json, const char *key)
{
	open_level(json, key, false);
}

void cv_json_open_array(struct cv_json *json, const char *key)
{
	open_level(json, key, true);
}

void cv_json_close(struct cv_json *json)
{
	assert(json->depth > 0);
	json->depth--;
	fputc(json->is_array[json->depth] ? ']' : '}', json->stream);
}

void cv_json_string(struct cv_json *json, const char *key, const char *value)
{
	begin_value(json, key);
	if (value)
		put_json_text(json->stream, value);
	else
		fputs("null", json->stream);
}

void cv_json_number(struct cv_json *json, const char *key, uint64_t value)
{
	begin_value(json, key);
	fprintf(json->stream, "%" PRIu64, value);
}

void cv_json_bool(struct cv_json *json, const char *key, bool value)
{
	begin_value(json, key);
	fputs(value ? "true" : "false", json->stream);
}

void cv_json_null(struct cv_json *json, const char *key)
{
	begin_value(json, key);
	fputs("null", json->stream);
}

struct cv_table {
	size_t columns;
	size_t *widths; /* in characters, of the widest cell so far */
	bool *is_right;
	char **cells; /* row by row; row 0 is the header */
	size_t rows;
	size_t room; /* rows that cells can hold */
};

static size_t count_characters(const char *text)
{
	const char *end = text + strlen(text);
	size_t count = count_harmless(text, end);

	for (text += count; text < end; count++)
		cv_utf8_next(&text, end);
	return count;
}

static int grow_table(struct cv_table *table)
{
	size_t room = table->room ? table->room * 2 : 16;
	char **cells;

	if (table->rows < table->room)
		return 0;
	cells = reallocarray(table->cells, room, table->columns * sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	table->cells = cells;
	table->room = room;
	return 0;
}

int cv_table_row(struct cv_table *table, const char *const *cells)
{
	char **row;

	if (grow_table(table) < 0)
		return -ENOMEM;
	row = table->cells + table->rows * table->columns;
	for (size_t i = 0; i < table->columns; i++) {
		size_t width;

		row[i] = strdup(cells[i] ? cells[i] : "-");
		if (!row[i]) {
			while (i > 0)
				free(row[--i]);
			return -ENOMEM;
		}
		width = count_characters(row[i]);
		if (width > table->widths[i])
			table->widths[i] = width;
	}
	table->rows++;
	return 0;
}

int cv_table_new(struct cv_table **out, const char *const *headers, size_t columns)
{
	struct cv_table *table CV_CLEANUP(cv_table_free) = calloc(1, sizeof(*table));

	assert(columns > 0);
	if (!table)
		return -ENOMEM;
	table->columns = columns;
	table->widths = calloc(columns, sizeof(*table->widths));
	table->is_right = calloc(columns, sizeof(*table->is_right));
	if (!table->widths || !table->is_right || cv_table_row(table, headers) < 0)
		return -ENOMEM;
	*out = CV_TAKE_PTR(table);
	return 0;
}

void cv_table_align_right(struct cv_table *table, size_t column)
{
	assert(column < table->columns);
	table->is_right[column] = true;
}

/* The header of a column of numbers stands over the numbers. */
static bool stands_right(const struct cv_table *table, size_t row, size_t column)
{
	const char *cell = table->cells[row * table->columns + column];

	return table->is_right[column] && (row == 0 || isdigit((unsigned char)cell[0]));
}

static void put_blanks(FILE *stream, size_t count)
{
	while (count-- > 0)
		fputc(' ', stream);
}

static void print_row(const struct cv_table *table, size_t row, FILE *stream)
{
	size_t owed = 0; /* blanks before the next text: none are left at the line's end */

	for (size_t i = 0; i < table->columns; i++) {
		const char *cell = table->cells[row * table->columns + i];
		size_t pad = table->widths[i] - count_characters(cell);
		bool is_right = stands_right(table, row, i);

		if (cell[0]) {
			put_blanks(stream, owed + (is_right ? pad : 0));
			cv_put_text(stream, cell);
			owed = 2 + (is_right ? 0 : pad);
		} else {
			owed += 2 + pad;
		}
	}
	fputc('\n', stream);
}

void cv_table_print(const struct cv_table *table, FILE *stream)
{
	for (size_t row = 0; row < table->rows; row++)
		print_row(table, row, stream);
}

void cv_table_free(struct cv_table **table)
{
	struct cv_table *old = *table;

	*table = NULL;
	if (!old)
		return;
	for (size_t i = 0; i < old->rows * old->columns; i++)
		free(old->cells[i]);
	free(old->cells);
	free(old->widths);
	free(old->is_right);
	free(old);
}
