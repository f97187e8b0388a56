/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The verb "monitor": a line for each packet that a rule with `sample` tells of. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "command.h"
#include "frame_text.h"
#include "out.h"
#include "own.h"

#define WAIT_MS 200 /* a signal that comes just before the wait is heeded after it */
#define NS_PER_SECOND UINT64_C(1000000000)
#define NS_PER_US UINT64_C(1000)

struct monitor_conf {
	char rule[CV_NAME_MAX + 1]; /* empty: all */
	uint32_t count; /* 0: until it is stopped */
};

static int parse_rule(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_name("rule", text, ((struct monitor_conf *)conf)->rule, err);
}

static int parse_count(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_number("count", text, 1, UINT32_MAX, &((struct monitor_conf *)conf)->count,
			     err);
}

static const struct cv_word words[] = {
	{ .name = "rule",
	  .value = "NAME",
	  .help = "only what this rule tells",
	  .parse = parse_rule },
	{ .name = "count", .value = "N", .help = "ends after so many", .parse = parse_count },
};

const struct cv_group cv_monitor_words = { CV_WORDS_OF(words) };

static const struct cv_noun monitor_noun = {
	.name = "monitor",
	.groups = { CV_GROUP(CV_WORDS_OF(words)) },
	.group_count = 1,
};

static volatile sig_atomic_t is_stopped;

static void stop(int signal)
{
	(void)signal;
	is_stopped = 1;
}

/* ---- one event ---- */

static void format_time(uint64_t time_ns, char *buf, size_t size)
{
	time_t seconds = time_ns / NS_PER_SECOND;
	struct tm local;
	char zone[8];
	size_t len;

	localtime_r(&seconds, &local);
	len = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &local);
	strftime(zone, sizeof(zone), "%z", &local);
	snprintf(buf + len, size - len, ".%06" PRIu64 "%s", time_ns % NS_PER_SECOND / NS_PER_US,
		 zone);
}

static void show_text(FILE *out, const struct cv_event_info *event)
{
	struct cv_frame_text frame;
	char when[64];

	format_time(event->time_ns, when, sizeof(when));
	cv_frame_read(&frame, event->bytes, event->captured_bytes);
	fprintf(out, "%s rule %s %s %s", when, event->rule, event->is_in ? "in" : "out",
		event->dev);
	if (*event->app)
		fprintf(out, " app %s", event->app);
	if (*event->tunnel)
		fprintf(out, " tunnel %s", event->tunnel);
	fprintf(out, " mark 0x%x len %u ", event->mark, event->len_bytes);
	cv_frame_put(out, &frame);
	fputc('\n', out);
}

static void json_bytes(struct cv_json *json, const struct cv_event_info *event)
{
	char hex[2 * CV_FRAME_MAX + 1] = "";

	for (size_t i = 0; i < event->captured_bytes && i < CV_FRAME_MAX; i++)
		snprintf(hex + 2 * i, 3, "%02x", event->bytes[i]);
	cv_json_string(json, "bytes", hex);
}

static void json_frame(struct cv_json *json, const struct cv_frame_text *frame)
{
	if (frame->src.family) {
		char text[CV_PREFIX_TEXT];

		cv_json_string(json, "src", cv_addr_format(&frame->src, text));
		cv_json_string(json, "dst", cv_addr_format(&frame->dst, text));
		cv_json_number(json, "proto", frame->proto);
	}
	if (frame->has_ports) {
		cv_json_number(json, "sport", frame->sport);
		cv_json_number(json, "dport", frame->dport);
	}
}

static void show_json(FILE *out, const struct cv_event_info *event)
{
	struct cv_frame_text frame;
	char when[64], mark[16];
	struct cv_json json;

	format_time(event->time_ns, when, sizeof(when));
	snprintf(mark, sizeof(mark), "0x%x", event->mark);
	cv_frame_read(&frame, event->bytes, event->captured_bytes);
	cv_json_init(&json, out);
	cv_json_open_object(&json, NULL);
	cv_json_string(&json, "time", when);
	cv_json_string(&json, "rule", event->rule);
	cv_json_string(&json, "dir", event->is_in ? "in" : "out");
	cv_json_string(&json, "dev", event->dev);
	cv_json_string(&json, "app", *event->app ? event->app : NULL);
	cv_json_string(&json, "tunnel", *event->tunnel ? event->tunnel : NULL);
	cv_json_string(&json, "mark", mark);
	cv_json_number(&json, "len", event->len_bytes);
	json_frame(&json, &frame);
	json_bytes(&json, event);
	cv_json_close(&json);
	cv_json_end(&json);
}

/* ---- the stream ---- */

struct stream {
	const struct cv_session *session;
	const struct monitor_conf *conf;
	uint32_t count; /* shown so far */
};

static bool is_done(const struct stream *stream)
{
	return is_stopped || (stream->conf->count && stream->count >= stream->conf->count);
}

static int show(const struct cv_event_info *event, void *arg)
{
	struct stream *stream = arg;

	if (*stream->conf->rule && strcmp(stream->conf->rule, event->rule))
		return 0;
	if (is_done(stream))
		return -ECANCELED;
	stream->count++;
	if (stream->session->is_json)
		show_json(stream->session->out, event);
	else
		show_text(stream->session->out, event);
	return ferror(stream->session->out) ? -ECANCELED : 0;
}

static void tell_lost(const struct cv_session *session, uint64_t lost)
{
	struct cv_json json;

	if (!session->is_json) {
		fprintf(session->out, "%" PRIu64 " events were lost: they came too quickly\n",
			lost);
		return;
	}
	cv_json_init(&json, session->out);
	cv_json_open_object(&json, NULL);
	cv_json_number(&json, "lost", lost);
	cv_json_close(&json);
	cv_json_end(&json);
}

static int run_stream(struct stream *stream, struct cv_monitor *monitor, struct cv_err *err)
{
	FILE *out = stream->session->out;
	uint64_t lost;
	int rc = 0;

	while (!rc && !is_done(stream) && !ferror(out)) {
		rc = cv_monitor_wait(monitor, WAIT_MS, show, stream, err);
		fflush(out);
	}
	lost = cv_monitor_lost(monitor);
	if (!rc && lost)
		tell_lost(stream->session, lost);
	return rc;
}

int cv_monitor_run(struct cv_session *session, int argc, char **argv, struct cv_err *err)
{
	CV_CLEANUP(cv_monitor_close) struct cv_monitor *monitor = NULL;
	const struct sigaction action = { .sa_handler = stop };
	struct monitor_conf conf = { .count = 0 };
	struct stream stream = { .session = session, .conf = &conf };
	int rc = cv_words_from_args(&monitor_noun, &conf, argc, argv, err);

	if (rc)
		return rc;
	rc = cv_session_commit(session, err);
	if (!rc)
		rc = cv_session_open(session, CV_ACCESS_READ, err);
	if (!rc && *conf.rule && !cv_state_find_rule(&session->applied, conf.rule))
		return cv_err_set(err, -ENOENT, "monitor: there is no rule %s", conf.rule);
	if (!rc)
		rc = cv_monitor_open(&monitor, session->inst, err);
	if (rc)
		return rc;
	/* Others may change the instance while this goes on. */
	cv_session_close(session);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return run_stream(&stream, monitor, err);
}
