/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Acts in words: see acts.h. */
#include "acts.h"

#include <errno.h>
#include <stdlib.h>

#include "out.h"
#include "own.h"

struct cv_act_printer {
	FILE *out;
	bool is_json;
	bool is_verbose;
	struct cv_json json;
	FILE *inner; /* lines of inner acts, for when there are no others; NULL: not wanted */
	char *inner_text; /* owned */
	size_t inner_size;
	size_t count; /* of all */
	size_t shown;
};

static const char signs[] = { [CV_ACT_ADD] = '+', [CV_ACT_CHANGE] = '~', [CV_ACT_DEL] = '-' };
static const char *const names[] = {
	[CV_ACT_ADD] = "add", [CV_ACT_CHANGE] = "change", [CV_ACT_DEL] = "del"
};

static const char *text_or_null(const char *text)
{
	return *text ? text : NULL;
}

static void print_json(struct cv_json *json, const struct cv_act *act)
{
	cv_json_open_object(json, NULL);
	cv_json_string(json, "act", names[act->kind]);
	cv_json_string(json, "object", act->noun);
	cv_json_string(json, "name", act->name);
	cv_json_string(json, "what", text_or_null(act->what));
	cv_json_string(json, "command", text_or_null(act->command));
	cv_json_bool(json, "inner", act->is_inner);
	if (act->place && act->place->file) {
		cv_json_string(json, "file", act->place->file);
		cv_json_number(json, "line", act->place->line);
	}
	cv_json_close(json);
}

static void print_line(const struct cv_act_printer *printer, FILE *out, const struct cv_act *act)
{
	fprintf(out, "%c %s %s", signs[act->kind], act->noun, act->name);
	if (*act->what)
		fprintf(out, ": %s", act->what);
	fputc('\n', out);
	if (printer->is_verbose && *act->command)
		fprintf(out, "    %s\n", act->command);
}

static int print_act(const struct cv_act *act, void *arg)
{
	struct cv_session *session = arg;
	struct cv_act_printer *printer = session->acts;

	printer->count++;
	cv_progress_end(&session->progress);
	if (printer->is_json) {
		print_json(&printer->json, act);
		return 0;
	}
	if (act->is_inner && !printer->is_verbose) {
		print_line(printer, printer->inner, act);
		return 0;
	}
	printer->shown++;
	print_line(printer, printer->out, act);
	return 0;
}

int cv_acts_print(struct cv_session *session, FILE *out, struct cv_err *err)
{
	CV_FREE struct cv_act_printer *printer = calloc(1, sizeof(*printer));

	if (printer)
		printer->inner = open_memstream(&printer->inner_text, &printer->inner_size);
	if (!printer || !printer->inner)
		return cv_err_set(err, -ENOMEM, "out of memory");
	printer->out = out;
	printer->is_json = session->is_json;
	printer->is_verbose = session->is_verbose;
	if (printer->is_json) {
		cv_json_init(&printer->json, out);
		cv_json_open_array(&printer->json, NULL);
	}
	session->acts = CV_TAKE_PTR(printer);
	session->tell = print_act;
	return 0;
}

size_t cv_acts_end(struct cv_session *session)
{
	CV_FREE struct cv_act_printer *printer = CV_TAKE_PTR(session->acts);
	size_t count = printer->count;

	session->tell = NULL;
	if (printer->is_json) {
		cv_json_close(&printer->json);
		cv_json_end(&printer->json);
	}
	if (!cv_finish_file(&printer->inner) && !printer->shown)
		fputs(printer->inner_text, printer->out);
	free(printer->inner_text);
	return count;
}
