/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Errors and warnings as the user sees them: see report.h. Text is written at once, each error in
 * one write; JSON is one object, so errors are kept until the report is freed.
 */
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "out.h"
#include "own.h"

#define SOURCE_INDENT 4 /* blanks before a source line */
#define SOURCE_WIDTH 96 /* characters shown of one */
#define SOURCE_BEFORE 48 /* of them before the caret, where the beginning is cut off */

/* The text of a file; all borrowed. */
struct source {
	const char *file, *text, *end;
	const char *line; /* where the line begins that was shown last */
	int number; /* of it, from 1 */
};

struct cv_report {
	FILE *stream;
	bool is_json;
	struct source *sources; /* owned */
	size_t source_count;
	size_t errors; /* all of them */
	size_t placed; /* those with a line of a file: of these CV_REPORT_MAX are shown */
	size_t hidden;
	int status;
	struct cv_err *kept; /* JSON only */
	size_t kept_count;
	char **warnings; /* JSON only */
	size_t warning_count;
};

int cv_report_new(struct cv_report **out, FILE *stream, bool is_json)
{
	struct cv_report *report = calloc(1, sizeof(*report));

	if (!report)
		return -ENOMEM;
	report->stream = stream;
	report->is_json = is_json;
	*out = report;
	return 0;
}

/* Makes room for one more element where count is a power of two. */
static void *grow(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return reallocarray(array, count ? count * 2 : 1, size);
}

void cv_report_source(struct cv_report *report, const char *file, const char *text, size_t len)
{
	size_t skip = cv_file_mark_bytes(text, len);
	struct source *sources = grow(report->sources, report->source_count, sizeof(*sources));

	if (!sources)
		return; /* its lines are not shown */
	report->sources = sources;
	sources[report->source_count++] = (struct source){ .file = file,
							   .text = text + skip,
							   .end = text + len,
							   .line = text + skip,
							   .number = 1 };
}

static bool has_line(const struct cv_place *place)
{
	return place->file && place->line > 0;
}

static const char *code_name(const struct cv_err *err)
{
	return err->code ? strerrorname_np(abs(err->code)) : NULL;
}

/* The text of that name that came last; NULL: it is not known. */
static struct source *find_source(const struct cv_report *report, const char *file)
{
	for (size_t i = report->source_count; i--;)
		if (!strcmp(report->sources[i].file, file))
			return &report->sources[i];
	return NULL;
}

/* Goes to a line, from the last one where that is before it: files are long, and their faults many.
 * Returns false if there is no such line. */
static bool go_to_line(struct source *source, int number)
{
	if (number < source->number) {
		source->line = source->text;
		source->number = 1;
	}
	while (source->number < number) {
		const char *newline =
			memchr(source->line, '\n', (size_t)(source->end - source->line));

		if (!newline)
			return false;
		source->line = newline + 1;
		source->number++;
	}
	return true;
}

/* Finds the line, without its newline. Returns false where the source is not known. */
static bool find_line(const struct cv_report *report, const struct cv_place *place,
		      const char **line, const char **end)
{
	struct source *source = find_source(report, place->file);
	const char *newline;

	if (!source || !go_to_line(source, place->line))
		return false;
	*line = source->line;
	newline = memchr(*line, '\n', (size_t)(source->end - *line));
	*end = newline ? newline : source->end;
	if (*end > *line && (*end)[-1] == '\r')
		(*end)--;
	return true;
}

/* The start of the character that stands `count` characters behind at, or end. */
static const char *skip_characters(const char *at, const char *end, int count)
{
	while (count-- > 0 && at < end)
		cv_utf8_next(&at, end);
	return at;
}

static void put_source_text(FILE *stream, const char *at, const char *end)
{
	while (at < end) {
		char one[5] = { 0 };
		const char *start = at;

		if (cv_utf8_next(&at, end) == '\t' || *start == '\0') {
			fputc(*start ? '\t' : '?', stream);
			continue;
		}
		memcpy(one, start, (size_t)(at - start));
		cv_put_text(stream, one);
	}
}

/* Blanks as wide as the text: tabs stay tabs. */
static void put_source_blanks(FILE *stream, const char *at, const char *end)
{
	while (at < end)
		fputc(cv_utf8_next(&at, end) == '\t' ? '\t' : ' ', stream);
}

/* The source line and, where the column is known, a caret below; of a long line a part. */
static void put_source(const struct cv_report *report, FILE *stream, const struct cv_place *place)
{
	const char *line, *end, *from, *to, *caret;
	int first = 0; /* character shown first */

	if (!find_line(report, place, &line, &end))
		return;
	if (place->column > SOURCE_WIDTH - 8 && skip_characters(line, end, SOURCE_WIDTH) < end)
		first = place->column - SOURCE_BEFORE;
	from = skip_characters(line, end, first);
	to = skip_characters(from, end, SOURCE_WIDTH);
	fprintf(stream, "%*s%s", SOURCE_INDENT, "", first ? "..." : "");
	put_source_text(stream, from, to);
	fprintf(stream, "%s\n", to < end ? "..." : "");
	if (place->column <= 0)
		return;
	caret = skip_characters(from, to, place->column - 1 - first);
	fprintf(stream, "%*s", SOURCE_INDENT + (first ? 3 : 0), "");
	put_source_blanks(stream, from, caret);
	fputs("^\n", stream);
}

static void put_placed(const struct cv_report *report, FILE *stream, const char *what,
		       const struct cv_err *err)
{
	cv_put_text(stream, err->place.file);
	fprintf(stream, ":%d:", err->place.line);
	if (err->place.column > 0)
		fprintf(stream, "%d:", err->place.column);
	fprintf(stream, " %s: ", what);
	cv_put_text(stream, err->text);
	fputc('\n', stream);
	put_source(report, stream, &err->place);
	if (!err->hint[0])
		return;
	fputs("hint: ", stream);
	cv_put_text(stream, err->hint);
	fputc('\n', stream);
}

static void put_plain(FILE *stream, const struct cv_err *err)
{
	const char *name = code_name(err);

	fputs("culvert: ", stream);
	cv_put_text(stream, err->text);
	if (err->hint[0]) {
		fputs("; ", stream);
		cv_put_text(stream, err->hint);
	}
	if (name && err->kind != CV_ERR_INPUT)
		fprintf(stream, " [%s]", name);
	fputc('\n', stream);
}

/* Through memory, since stderr is not buffered: lines of two programs do not mix. */
static void print_text(const struct cv_report *report, const char *what, const struct cv_err *err)
{
	char *text CV_FREE = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&text, &len);

	if (!stream)
		return;
	if (has_line(&err->place))
		put_placed(report, stream, what, err);
	else
		put_plain(stream, err);
	if (fclose(stream) == 0)
		fwrite(text, 1, len, report->stream);
}

static int keep_error(struct cv_report *report, const struct cv_err *err)
{
	struct cv_err *kept = grow(report->kept, report->kept_count, sizeof(*kept));
	char *file;

	if (!kept)
		return -ENOMEM;
	report->kept = kept;
	file = err->place.file ? strdup(err->place.file) : NULL;
	if (err->place.file && !file)
		return -ENOMEM;
	kept += report->kept_count++;
	*kept = *err;
	kept->place.file = file;
	return 0;
}

static int status_of(enum cv_err_kind kind)
{
	switch (kind) {
	case CV_ERR_INPUT:
		return 1;
	case CV_ERR_LEFT:
		return 3;
	case CV_ERR_PERMISSION:
		return 5;
	case CV_ERR_FAILED:
		break;
	}
	return 2;
}

void cv_report_error(struct cv_report *report, const struct cv_err *err)
{
	report->errors++;
	report->status = status_of(err->kind);
	if (!report->stream)
		return;
	if (has_line(&err->place) && report->placed++ >= CV_REPORT_MAX)
		report->hidden++;
	else if (!report->is_json)
		print_text(report, "error", err);
	else if (keep_error(report, err) < 0)
		report->hidden++;
}

static int keep_warning(struct cv_report *report, const char *text)
{
	char **warnings = grow(report->warnings, report->warning_count, sizeof(*warnings));

	if (!warnings)
		return -ENOMEM;
	report->warnings = warnings;
	warnings[report->warning_count] = strdup(text);
	if (!warnings[report->warning_count])
		return -ENOMEM;
	report->warning_count++;
	return 0;
}

void cv_report_warning(struct cv_report *report, const char *text)
{
	char *line CV_FREE = NULL;
	size_t len = 0;
	FILE *stream;

	if (!report->stream)
		return;
	if (report->is_json) {
		keep_warning(report, text);
		return;
	}
	stream = open_memstream(&line, &len);
	if (!stream)
		return;
	fputs("culvert: warning: ", stream);
	cv_put_text(stream, text);
	fputc('\n', stream);
	if (fclose(stream) == 0)
		fwrite(line, 1, len, report->stream);
}

void cv_report_warning_at(struct cv_report *report, const struct cv_err *warning)
{
	const struct cv_place *place = &warning->place;
	char *text CV_FREE = NULL;

	if (!report->stream)
		return;
	if (!has_line(place)) {
		cv_report_warning(report, warning->text);
	} else if (!report->is_json) {
		print_text(report, "warning", warning);
	} else if (asprintf(&text, "%s:%d:%d: %s", place->file, place->line, place->column,
			    warning->text) >= 0) {
		keep_warning(report, text);
	} else {
		text = NULL;
	}
}

static void put_json_error(struct cv_json *json, const char *key, const struct cv_err *err)
{
	cv_json_open_object(json, key);
	cv_json_string(json, "code", code_name(err));
	cv_json_string(json, "message", err->text);
	if (err->hint[0])
		cv_json_string(json, "hint", err->hint);
	if (err->place.file)
		cv_json_string(json, "file", err->place.file);
	if (err->place.line > 0)
		cv_json_number(json, "line", (uint64_t)err->place.line);
	if (err->place.line > 0 && err->place.column > 0)
		cv_json_number(json, "column", (uint64_t)err->place.column);
	cv_json_close(json);
}

static void put_json_errors(struct cv_json *json, const struct cv_report *report)
{
	put_json_error(json, "error", &report->kept[0]);
	if (report->kept_count > 1) {
		cv_json_open_array(json, "errors");
		for (size_t i = 0; i < report->kept_count; i++)
			put_json_error(json, NULL, &report->kept[i]);
		cv_json_close(json);
	}
	if (report->hidden)
		cv_json_number(json, "errors_not_shown", report->hidden);
}

static void put_json(const struct cv_report *report, FILE *stream)
{
	struct cv_json json;

	cv_json_init(&json, stream);
	cv_json_open_object(&json, NULL);
	if (report->kept_count)
		put_json_errors(&json, report);
	if (report->warning_count) {
		cv_json_open_array(&json, "warnings");
		for (size_t i = 0; i < report->warning_count; i++)
			cv_json_string(&json, NULL, report->warnings[i]);
		cv_json_close(&json);
	}
	cv_json_close(&json);
	cv_json_end(&json);
}

static void print_json(const struct cv_report *report)
{
	char *text CV_FREE = NULL;
	size_t len = 0;
	FILE *stream;

	if (!report->kept_count && !report->warning_count)
		return;
	stream = open_memstream(&text, &len);
	if (!stream)
		return;
	put_json(report, stream);
	if (fclose(stream) == 0)
		fwrite(text, 1, len, report->stream);
}

void cv_report_free(struct cv_report **report)
{
	struct cv_report *old = *report;

	*report = NULL;
	if (!old)
		return;
	if (old->is_json)
		print_json(old);
	else if (old->hidden)
		fprintf(old->stream, "culvert: %zu more error%s not shown\n", old->hidden,
			old->hidden == 1 ? "" : "s");
	for (size_t i = 0; i < old->kept_count; i++)
		free((char *)old->kept[i].place.file);
	for (size_t i = 0; i < old->warning_count; i++)
		free(old->warnings[i]);
	free(old->kept);
	free(old->warnings);
	free(old->sources);
	free(old);
}

size_t cv_report_errors(const struct cv_report *report)
{
	return report->errors;
}

int cv_report_status(const struct cv_report *report)
{
	return report->status;
}
