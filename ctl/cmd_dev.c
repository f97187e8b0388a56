/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The object "dev": devices with the classifier on them. */
#include <stdlib.h>

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

static void show_json(const struct cv_session *session, const struct cv_dev_info *infos, size_t n)
{
	struct cv_json json;

	cv_json_init(&json, session->out);
	cv_json_open_array(&json, NULL);
	for (size_t i = 0; i < n; i++) {
		if (!cv_session_shows(session, infos[i].name))
			continue;
		cv_json_open_object(&json, NULL);
		cv_json_string(&json, "dev", infos[i].name);
		cv_json_number(&json, "ifindex", infos[i].ifindex);
		cv_json_bool(&json, "ingress", infos[i].ingress);
		cv_json_bool(&json, "egress", infos[i].egress);
		cv_json_string(&json, "hook", CV_HOOK_CLSACT);
		cv_json_number(&json, "prio", infos[i].prio);
		cv_json_close(&json);
	}
	cv_json_close(&json);
	cv_json_end(&json);
}

static int show_text(const struct cv_session *session, const struct cv_dev_info *infos, size_t n)
{
	static const char *const headers[] = {
		"DEV", "IFINDEX", "INGRESS", "EGRESS", "HOOK", "PRIO"
	};
	CV_CLEANUP(cv_table_free) struct cv_table *table = NULL;
	int rc = cv_table_new(&table, headers, sizeof(headers) / sizeof(*headers));

	for (size_t i = 0; !rc && i < n; i++) {
		char ifindex[16], prio[16];
		const char *cells[] = { infos[i].name,
					ifindex,
					infos[i].ingress ? "yes" : "no",
					infos[i].egress ? "yes" : "no",
					CV_HOOK_CLSACT,
					prio };

		if (!cv_session_shows(session, infos[i].name))
			continue;
		snprintf(ifindex, sizeof(ifindex), "%u", infos[i].ifindex);
		snprintf(prio, sizeof(prio), "%u", infos[i].prio);
		rc = cv_table_row(table, cells);
	}
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
	.count = count,
	.at = at,
	.show = show,
};
