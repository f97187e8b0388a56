/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object "dev": devices with the classifier on them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "out.h"
#include "own.h"
#include "session.h"
#include "words.h"

static int parse_ingress(void *conf, const char *text, struct cv_err *err)
{
	struct cv_dev_conf *dev = conf;

	dev->has_sides = true;
	return cv_arg_flag("ingress", text, &dev->ingress, err);
}

static int parse_egress(void *conf, const char *text, struct cv_err *err)
{
	struct cv_dev_conf *dev = conf;

	dev->has_sides = true;
	return cv_arg_flag("egress", text, &dev->egress, err);
}

static bool format_ingress(const void *conf, FILE *out)
{
	if (!((const struct cv_dev_conf *)conf)->ingress)
		fputs("false", out);
	return true;
}

static bool format_egress(const void *conf, FILE *out)
{
	if (!((const struct cv_dev_conf *)conf)->egress)
		fputs("false", out);
	return true;
}

static int parse_prio(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_number("prio", text, 1, UINT16_MAX, &((struct cv_dev_conf *)conf)->prio, err);
}

static bool format_prio(const void *conf, FILE *out)
{
	const struct cv_dev_conf *dev = conf;

	if (dev->prio)
		fprintf(out, "%u", dev->prio);
	return dev->prio;
}

static int parse_handle(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_number("handle", text, 1, CV_HANDLE_MAX,
			     &((struct cv_dev_conf *)conf)->handle, err);
}

static bool format_handle(const void *conf, FILE *out)
{
	const struct cv_dev_conf *dev = conf;

	if (dev->handle)
		fprintf(out, "0x%x", dev->handle);
	return dev->handle;
}

/* A chain has one place for us: of these words one may stand. */
static int take_place(const char *word, void *conf, enum cv_tcx_place place, struct cv_err *err)
{
	struct cv_dev_conf *dev = conf;

	if (dev->place_on_tcx != CV_TCX_ANYWHERE)
		return cv_err_input(err, "%s: first, last, before and after exclude each other",
				    word);
	dev->place_on_tcx = place;
	return 0;
}

static int parse_end(const char *word, void *conf, const char *text, enum cv_tcx_place place,
		     struct cv_err *err)
{
	bool is_wanted;
	int rc = cv_arg_flag(word, text, &is_wanted, err);

	return rc || !is_wanted ? rc : take_place(word, conf, place, err);
}

static int parse_first(void *conf, const char *text, struct cv_err *err)
{
	return parse_end("first", conf, text, CV_TCX_FIRST, err);
}

static int parse_last(void *conf, const char *text, struct cv_err *err)
{
	return parse_end("last", conf, text, CV_TCX_LAST, err);
}

static int parse_anchor(const char *word, void *conf, const char *text, enum cv_tcx_place place,
			struct cv_err *err)
{
	struct cv_dev_conf *dev = conf;
	size_t len = strlen(text);

	if (!len || len > CV_ANCHOR_MAX)
		return cv_err_input(err,
				    "%s \"%s\": not the name or id of a program, nor the path of a "
				    "link's pin (1 to %d characters)",
				    word, text, CV_ANCHOR_MAX);
	if (take_place(word, conf, place, err))
		return -EINVAL;
	memcpy(dev->anchor, text, len + 1);
	return 0;
}

static int parse_before(void *conf, const char *text, struct cv_err *err)
{
	return parse_anchor("before", conf, text, CV_TCX_BEFORE, err);
}

static int parse_after(void *conf, const char *text, struct cv_err *err)
{
	return parse_anchor("after", conf, text, CV_TCX_AFTER, err);
}

/* With text NULL a bare word, else what stands behind it. */
static bool format_place(const struct cv_dev_conf *dev, enum cv_tcx_place place, const char *text,
			 FILE *out)
{
	if (dev->place_on_tcx == place && text)
		fputs(text, out);
	return dev->place_on_tcx == place;
}

static bool format_first(const void *conf, FILE *out)
{
	return format_place(conf, CV_TCX_FIRST, NULL, out);
}

static bool format_last(const void *conf, FILE *out)
{
	return format_place(conf, CV_TCX_LAST, NULL, out);
}

static bool format_before(const void *conf, FILE *out)
{
	return format_place(conf, CV_TCX_BEFORE, ((const struct cv_dev_conf *)conf)->anchor, out);
}

static bool format_after(const void *conf, FILE *out)
{
	return format_place(conf, CV_TCX_AFTER, ((const struct cv_dev_conf *)conf)->anchor, out);
}

static const struct cv_word words[] = {
	{ .name = "ingress",
	  .help = "classify and decapsulate what arrives (without either word: both)",
	  .parse = parse_ingress,
	  .format = format_ingress },
	{ .name = "egress",
	  .help = "classify what leaves",
	  .parse = parse_egress,
	  .format = format_egress },
	{ .name = "prio",
	  .value = "N",
	  .help = "of the tc filters, 1 to 65535 (100)",
	  .parse = parse_prio,
	  .format = format_prio },
	{ .name = "handle",
	  .value = "N",
	  .help = "of the tc filters, 1 to 65535 (0xc1)",
	  .parse = parse_handle,
	  .format = format_handle },
	{ .name = "tcx",
	  .help = "attach by tcx, which packets meet before tc filters; Linux 6.6",
	  .kind = &cv_kind_flag,
	  .offset = offsetof(struct cv_dev_conf, tcx) },
	{ .name = "first",
	  .help = "on tcx: ahead of all others",
	  .parse = parse_first,
	  .format = format_first },
	{ .name = "last",
	  .help = "on tcx: behind all others",
	  .parse = parse_last,
	  .format = format_last },
	{ .name = "before",
	  .value = "PROGRAM",
	  .help = "on tcx: ahead of that name or id, or of the link with that pin",
	  .is_name = true,
	  .parse = parse_before,
	  .format = format_before },
	{ .name = "after",
	  .value = "PROGRAM",
	  .help = "on tcx: behind it",
	  .is_name = true,
	  .parse = parse_after,
	  .format = format_after },
	{ .name = "optional",
	  .help = "it need not be there: 'repair' attaches when it is; a pattern implies it",
	  .kind = &cv_kind_flag,
	  .offset = offsetof(struct cv_dev_conf, optional) },
	{ .name = "src-valid-mark",
	  .help = "set that sysctl of it: a strict rp_filter lets replies to routed apps in",
	  .kind = &cv_kind_flag,
	  .offset = offsetof(struct cv_dev_conf, src_valid_mark) },
};

static void init(void *conf)
{
	*(struct cv_dev_conf *)conf = (struct cv_dev_conf){ 0 };
}

static int set_key(void *conf, const char *text, struct cv_err *err)
{
	return cv_arg_ifname("dev", text, ((struct cv_dev_conf *)conf)->name, err);
}

static void put_key(const void *conf, FILE *out)
{
	fputs(((const struct cv_dev_conf *)conf)->name, out);
}

static void fini(void *conf)
{
	(void)conf;
}

static int add(struct cv_state *state, void *conf, struct cv_err *err)
{
	struct cv_dev_conf *dev = conf;

	if (!dev->has_sides)
		dev->has_sides = dev->ingress = dev->egress = true;
	return cv_state_add_dev(state, dev, err);
}

static void *find(const struct cv_state *state, const void *conf, struct cv_err *err)
{
	(void)err;
	return cv_state_find_dev(state, ((const struct cv_dev_conf *)conf)->name);
}

CV_NOUN_ACCESS(dev, devs, dev_count)

static bool is_shown(const struct cv_session *session, const struct cv_dev_info *info)
{
	return cv_session_shows(session, info->name) || cv_session_shows(session, info->conf->name);
}

static const char *pattern_of(const struct cv_dev_info *info)
{
	return cv_dev_conf_is_pattern(info->conf) ? info->conf->name : NULL;
}

static void show_one_json(struct cv_json *json, const struct cv_dev_info *info)
{
	bool is_tcx = info->conf->tcx;

	cv_json_open_object(json, NULL);
	cv_json_string(json, "dev", info->name);
	cv_json_number(json, "ifindex", info->ifindex);
	cv_json_bool(json, "exists", info->ifindex);
	cv_json_string(json, "pattern", pattern_of(info));
	cv_json_bool(json, "optional", info->conf->optional || pattern_of(info));
	cv_json_bool(json, "ingress", info->ingress);
	cv_json_bool(json, "egress", info->egress);
	cv_json_string(json, "hook", is_tcx ? CV_HOOK_TCX : CV_HOOK_CLSACT);
	if (is_tcx) {
		cv_json_null(json, "prio");
		cv_json_null(json, "handle");
	} else {
		cv_json_number(json, "prio", info->prio);
		cv_json_number(json, "handle", info->handle);
	}
	cv_json_close(json);
}

static void show_json(const struct cv_session *session, const struct cv_dev_info *infos, size_t n)
{
	struct cv_json json;

	cv_json_init(&json, session->out);
	cv_json_open_array(&json, NULL);
	for (size_t i = 0; i < n; i++)
		if (is_shown(session, &infos[i]))
			show_one_json(&json, &infos[i]);
	cv_json_close(&json);
	cv_json_end(&json);
}

static int show_row(struct cv_table *table, const struct cv_dev_info *info)
{
	bool is_tcx = info->conf->tcx;
	char ifindex[16] = "absent", prio[16] = "-", handle[16] = "-";
	const char *cells[] = { info->name,
				ifindex,
				info->ingress ? "yes" : "no",
				info->egress ? "yes" : "no",
				is_tcx ? CV_HOOK_TCX : CV_HOOK_CLSACT,
				prio,
				handle,
				pattern_of(info) ? pattern_of(info) : "-" };

	if (info->ifindex)
		snprintf(ifindex, sizeof(ifindex), "%u", info->ifindex);
	if (!is_tcx) {
		snprintf(prio, sizeof(prio), "%u", info->prio);
		snprintf(handle, sizeof(handle), "0x%x", info->handle);
	}
	return cv_table_row(table, cells);
}

static int show_text(const struct cv_session *session, const struct cv_dev_info *infos, size_t n)
{
	static const char *const headers[] = { "DEV",  "IFINDEX", "INGRESS", "EGRESS",
					       "HOOK", "PRIO",	  "HANDLE",  "PATTERN" };
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	int rc = cv_table_new(&table, headers, sizeof(headers) / sizeof(*headers));

	for (size_t i = 0; !rc && i < n; i++)
		if (is_shown(session, &infos[i]))
			rc = show_row(table, &infos[i]);
	if (!rc)
		cv_table_print(table, session->out);
	return rc;
}

static int show(struct cv_session *session, struct cv_err *err)
{
	CV_FREE struct cv_dev_info *infos = NULL;
	size_t n;
	int rc = cv_dev_list(session->inst, &session->applied, &infos, &n, err);

	if (rc)
		return rc;
	if (!session->is_json)
		return show_text(session, infos, n);
	show_json(session, infos, n);
	return 0;
}

static bool covers(const struct cv_state *state, const char *key)
{
	return cv_state_dev_of(state, key);
}

const struct cv_noun cv_noun_dev = {
	.name = "dev",
	.section = "devices",
	.key = "IFNAME",
	.help = "network devices whose packets are classified, and taken out of tunnels",
	.groups = { CV_GROUP(CV_WORDS_OF(words)) },
	.group_count = 1,
	.conf_size = sizeof(struct cv_dev_conf),
	.place_offset = offsetof(struct cv_dev_conf, place),
	.init = init,
	.set_key = set_key,
	.put_key = put_key,
	.fini = fini,
	.add = add,
	.find = find,
	.del = del,
	.covers = covers,
	.count = count,
	.at = at,
	.show = show,
};
