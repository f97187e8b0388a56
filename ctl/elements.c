/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Elements of sets: see elements.h. */
#include "elements.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "file.h"
#include "own.h"

#define CV_FILE_MAX_BYTES ((size_t)128 << 20) /* a million IPv6 prefixes with comments */
#define CV_MAX_DSCP 63
#define CV_ELEMENT_TEXT 128 /* no element is that long */

/* Lists that elements are added to. */
struct elements {
	const char *word; /* what they belong to */
	enum cv_set_type type;
	struct cv_prefixes *prefixes;
	struct cv_ranges *ranges;
};

/* The lists differ in type only: each is an array that doubles. */
static int append(void **items, size_t *count, const void *item, size_t size)
{
	void *grown;

	if (!(*count & (*count - 1))) {
		grown = reallocarray(*items, *count ? *count * 2 : 1, size);
		if (!grown)
			return -ENOMEM;
		*items = grown;
	}
	memcpy((char *)*items + *count * size, item, size);
	(*count)++;
	return 0;
}

/* ---- one element ---- */

static int parse_prefix(const char *word, const char *text, struct cv_prefix *out,
			struct cv_err *err)
{
	int rc = cv_arg_prefix(word, text, out, err);

	if (rc || out->addr.family)
		return rc;
	cv_err_input(err, "%s \"%s\": not a prefix", word, text);
	return cv_err_hint(err, "0.0.0.0/0 is all of IPv4, ::/0 all of IPv6");
}

static int parse_mark(const char *word, const char *text, struct cv_range *out, struct cv_err *err)
{
	CV_FREE char *copy = strdup(text);
	char *last = copy ? strchr(copy, '-') : NULL;
	int rc;

	if (!copy)
		return cv_err_set(err, -ENOMEM, "%s: out of memory", word);
	if (last)
		*last++ = '\0';
	rc = cv_arg_number(word, copy, 0, UINT32_MAX, &out->min, NULL);
	out->max = out->min;
	if (!rc && last)
		rc = cv_arg_number(word, last, 0, UINT32_MAX, &out->max, NULL);
	if (rc) {
		cv_err_input(err, "%s \"%s\": not a mark or range of marks", word, text);
		return cv_err_hint(err, "as 0x10 or 0x10-0x1f");
	}
	if (out->min <= out->max)
		return 0;
	cv_err_input(err, "%s \"%s\": the range is inverted", word, text);
	return cv_err_hint(err, "0x%x-0x%x", out->max, out->min);
}

/* A name, a number, or a range of numbers. */
static int parse_named(const struct elements *elements, const char *text, struct cv_range *out,
		       struct cv_err *err)
{
	bool is_proto = elements->type == CV_SET_PROTO;
	uint8_t value;
	int rc;

	if (isdigit((unsigned char)*text) && strchr(text, '-'))
		return cv_arg_range(elements->word, text, is_proto ? UINT8_MAX : CV_MAX_DSCP, out,
				    err);
	rc = is_proto ? cv_arg_proto(elements->word, text, &value, err)
		      : cv_arg_dscp(elements->word, text, &value, err);
	if (!rc)
		*out = (struct cv_range){ value, value };
	return rc;
}

static int parse_range(const struct elements *elements, const char *text, struct cv_range *out,
		       struct cv_err *err)
{
	switch (elements->type) {
	case CV_SET_PROTO:
	case CV_SET_DSCP:
		return parse_named(elements, text, out, err);
	case CV_SET_MARK:
		return parse_mark(elements->word, text, out, err);
	case CV_SET_PORT:
		return cv_arg_range(elements->word, text, UINT16_MAX, out, err);
	case CV_SET_VLAN:
		return cv_arg_range(elements->word, text, CV_VLAN_MAX, out, err);
	default:
		return cv_arg_range(elements->word, text, UINT32_MAX, out, err);
	}
}

static int add_element(const struct elements *elements, const char *text, struct cv_err *err)
{
	struct cv_prefixes *prefixes = elements->prefixes;
	struct cv_ranges *ranges = elements->ranges;
	struct cv_prefix prefix = { 0 };
	struct cv_range range = { 0 };
	int rc;

	if (elements->type == CV_SET_PREFIX) {
		rc = parse_prefix(elements->word, text, &prefix, err);
		if (rc)
			return rc;
		rc = append((void **)&prefixes->items, &prefixes->count, &prefix, sizeof(prefix));
	} else {
		rc = parse_range(elements, text, &range, err);
		if (rc)
			return rc;
		rc = append((void **)&ranges->items, &ranges->count, &range, sizeof(range));
	}
	return rc ? cv_err_set(err, rc, "%s: out of memory", elements->word) : 0;
}

int cv_elements_parse(const char *word, const char *text, struct cv_set_conf *set,
		      struct cv_err *err)
{
	struct elements elements = { word, set->type, &set->prefixes, &set->ranges };
	CV_FREE char *copy = strdup(text);
	char *rest = copy, *part;
	int rc = 0;

	if (!copy)
		return cv_err_set(err, -ENOMEM, "%s: out of memory", word);
	while (!rc && (part = strsep(&rest, ",")))
		rc = add_element(&elements, part, err);
	return rc;
}

/* ---- out ---- */

size_t cv_elements_count(const struct cv_set_conf *set)
{
	return set->prefixes.count + set->ranges.count;
}

static void put_range(FILE *out, enum cv_set_type type, const struct cv_range *range)
{
	if (type == CV_SET_MARK) {
		fprintf(out, "0x%x", range->min);
		if (range->max != range->min)
			fprintf(out, "-0x%x", range->max);
	} else if (type == CV_SET_PROTO && range->min == range->max) {
		cv_put_proto(out, range->min);
	} else {
		cv_put_range(out, range);
	}
}

void cv_element_put(FILE *out, const struct cv_set_conf *set, size_t index)
{
	char text[CV_PREFIX_TEXT];

	if (set->type == CV_SET_PREFIX)
		fputs(cv_prefix_format(&set->prefixes.items[index], text), out);
	else
		put_range(out, set->type, &set->ranges.items[index]);
}

void cv_element_json(struct cv_json *json, const struct cv_set_conf *set, size_t index)
{
	CV_FREE char *text = NULL;
	CV_FCLOSE FILE *stream = NULL;
	size_t size = 0;

	stream = open_memstream(&text, &size);
	if (!stream)
		return;
	cv_element_put(stream, set, index);
	if (cv_finish_file(&stream))
		return;
	if (strspn(text, "0123456789") == size)
		cv_json_number(json, NULL, strtoull(text, NULL, 10));
	else
		cv_json_string(json, NULL, text);
}

void cv_elements_put(FILE *out, const struct cv_set_conf *set, size_t most)
{
	for (size_t i = 0; i < cv_elements_count(set) && i < most; i++) {
		if (i)
			fputc(',', out);
		cv_element_put(out, set, i);
	}
}

/* ---- a file of them ---- */

/* A file at work. */
struct reader {
	struct elements elements;
	struct cv_report *report;
	struct cv_place place; /* of the line at hand */
	size_t room; /* elements that may still come */
	bool is_over; /* more came */
	size_t faults;
};

static void report_fault(struct reader *reader, struct cv_err *err, size_t column)
{
	reader->place.column = column + 1;
	cv_err_at(err, &reader->place);
	cv_report_error(reader->report, err);
	reader->faults++;
}

/* Takes a number of at most max without a leading zero from the front of a text that a zero ends. */
static bool take_decimal(const char **at, uint32_t max, uint32_t *out)
{
	const char *first = *at;
	uint32_t value = 0;

	while (isdigit((unsigned char)**at) && value <= max)
		value = value * 10 + (*(*at)++ - '0');
	*out = value;
	return *at != first && value <= max && (*first != '0' || *at == first + 1);
}

/* The usual form of an IPv4 prefix, which a file may have a million of. False: it is another one, or a
 * wrong one. */
static bool take_ipv4(const char *text, struct cv_prefix *out)
{
	uint32_t address = 0, part, bits = 32;

	for (int i = 0; i < 4; i++) {
		if ((i && *text++ != '.') || !take_decimal(&text, UINT8_MAX, &part))
			return false;
		address = address << 8 | part;
		out->addr.bytes[i] = part;
	}
	if (*text == '/' && (text++, !take_decimal(&text, 32, &bits)))
		return false;
	out->addr.family = 4;
	out->bits = bits;
	return !*text && !(bits < 32 && address << bits);
}

static int read_element(const struct elements *elements, const char *text, struct cv_err *err)
{
	struct cv_prefix prefix = { 0 };

	if (elements->type != CV_SET_PREFIX || !take_ipv4(text, &prefix))
		return add_element(elements, text, err);
	return append((void **)&elements->prefixes->items, &elements->prefixes->count, &prefix,
		      sizeof(prefix))
		       ? cv_err_set(err, -ENOMEM, "%s: out of memory", elements->word)
		       : 0;
}

/* Reads one element, which ends at `end`, where a zero may be written. */
static void read_part(struct reader *reader, const char *line, char *at, char *end)
{
	struct cv_err err;
	int rc;

	if (!reader->room) {
		cv_err_input(&err, "%s: more than the %u elements that one set holds",
			     reader->elements.word, CV_SET_ELEMENTS_MAX);
		report_fault(reader, &err, at - line);
		reader->is_over = true;
		return;
	}
	*end = '\0';
	if (at == end)
		rc = cv_err_input(&err, "%s: an element is missing", reader->elements.word);
	else if (end - at >= CV_ELEMENT_TEXT || strlen(at) != (size_t)(end - at))
		rc = cv_err_input(&err, "%s: not an element", reader->elements.word);
	else
		rc = read_element(&reader->elements, at, &err);
	if (rc)
		report_fault(reader, &err, at - line);
	reader->room--;
}

static char *skip_blanks(char *at, const char *end)
{
	while (at < end && isspace((unsigned char)*at))
		at++;
	return at;
}

/* Reads a line, which ends at `end`. A comma may stand behind its last element. */
static void read_line(struct reader *reader, char *line, char *end)
{
	char *comment = memchr(line, '#', end - line);
	char *at, *comma, *last;

	end = comment ? comment : end;
	for (at = skip_blanks(line, end); at < end && !reader->is_over;
	     at = skip_blanks(comma, end)) {
		comma = memchr(at, ',', end - at);
		last = comma ? comma : end;
		comma = comma ? comma + 1 : end;
		while (last > at && isspace((unsigned char)last[-1]))
			last--;
		read_part(reader, line, at, last);
	}
}

static void read_lines(struct reader *reader, char *text, size_t len)
{
	char *end = text + len;

	for (char *line = text; line < end && !reader->is_over;) {
		char *newline = memchr(line, '\n', end - line);

		reader->place.line++;
		read_line(reader, line, newline ? newline : end);
		line = newline ? newline + 1 : end;
	}
}

static int no_file(const struct cv_set_conf *set, struct cv_report *report, struct cv_err *err)
{
	cv_err_prefix(err, "set %s", set->name);
	cv_err_at(err, &set->place);
	cv_report_error(report, err);
	return -EINVAL;
}

int cv_elements_read(struct cv_set_conf *set, struct cv_report *report)
{
	size_t len = 0, mark, own = cv_elements_count(set);
	char word[sizeof("set ") + CV_NAME_MAX];
	struct reader reader = {
		.elements = { word, set->type, &set->file_prefixes, &set->file_ranges },
		.report = report,
		.place.file = set->file,
		.room = own < CV_SET_ELEMENTS_MAX ? CV_SET_ELEMENTS_MAX - own : 0,
	};
	CV_FREE char *text = NULL;
	struct cv_err err;

	if (!set->file || !set->has_type)
		return 0;
	if (cv_file_read("file", set->file, CV_FILE_MAX_BYTES, &text, &len, &err))
		return no_file(set, report, &err);
	snprintf(word, sizeof(word), "set %s", set->name);
	mark = cv_file_mark_bytes(text, len);
	read_lines(&reader, text + mark, len - mark);
	set->is_file_read = true;
	return reader.faults ? -EINVAL : 0;
}
