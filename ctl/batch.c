/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Batches: the command line's own words, one command a line. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "own.h"

#define CV_BATCH_MAX_WORDS 128

/*
 * Splits a line in place: words are separated by blanks, '' and "" keep blanks, # begins a comment.
 * Returns the number of words or -EINVAL.
 */
static int split(char *line, char **words, struct cv_err *err)
{
	char *out = line;
	int count = 0;

	for (char *p = line; *p;) {
		char quote = '\0';

		while (isspace((unsigned char)*p))
			p++;
		if (!*p || *p == '#')
			break;
		if (count == CV_BATCH_MAX_WORDS)
			return cv_err_input(err, "more than %d words in a line",
					    CV_BATCH_MAX_WORDS);
		words[count++] = out;
		for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
			if (quote ? *p == quote : *p == '"' || *p == '\'')
				quote = quote ? '\0' : *p;
			else
				*out++ = *p;
		}
		if (quote)
			return cv_err_input(err, "a %c is not closed", quote);
		if (*p)
			p++;
		*out++ = '\0';
	}
	return count;
}

static int run_line(struct cv_session *session, char *line, struct cv_err *err)
{
	char *words[CV_BATCH_MAX_WORDS];
	int count = split(line, words, err);

	return count > 0 ? cv_command_run(session, count, words, err) : count;
}

int cv_batch_run(struct cv_session *session, const char *file, struct cv_err *err)
{
	CV_FCLOSE FILE *opened = NULL;
	CV_FREE char *line = NULL;
	FILE *in = stdin;
	size_t size = 0;
	int rc = 0;

	if (strcmp(file, "-")) {
		in = opened = fopen(file, "re");
		if (!in)
			return cv_err_input(err, "%s: %s", file, strerrordesc_np(errno));
	}
	session->place = (struct cv_place){ .file = file };
	while (!rc && getline(&line, &size, in) > 0) {
		session->place.line++;
		rc = run_line(session, line, err);
		if (rc)
			cv_err_at(err, &session->place);
	}
	return rc;
}
