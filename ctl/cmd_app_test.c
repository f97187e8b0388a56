/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of the words of an app: what each says in a state file, which values are refused and
 * how, and what `app show` makes of what the library tells.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cmd_app.c" /* show_text() and show_json(), without an instance */
#include "config.h"
#include "round_trip.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))
#define MAX_ARGS 64
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA256_UPPER "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"

/* Fills the conf from words; those of a value that has blanks are separated by bars. */
static int from_words(struct cv_app_conf *conf, const char *text, struct cv_err *err)
{
	CV_FREE char *copy = strdup(text);
	char *argv[MAX_ARGS + 1] = { NULL };
	char *rest = copy, *word;
	int argc = 0;

	assert_non_null(copy);
	while ((word = strsep(&rest, strchr(text, '|') ? "|" : " ")) && argc < MAX_ARGS)
		argv[argc++] = word;
	cv_noun_app.init(conf);
	return cv_words_from_args(&cv_noun_app, conf, argc, argv, err);
}

/* Adds an app of these words to the state. */
static void add_app(struct cv_state *state, const char *name, const char *text)
{
	struct cv_app_conf conf;
	struct cv_err err;

	if (from_words(&conf, text, &err))
		fail_msg("%s: %s", text, err.text);
	snprintf(conf.name, sizeof(conf.name), "%s", name);
	assert_int_equal(cv_state_add_app(state, &conf, NULL), 0);
}

/* ---- words ---- */

static void words_become_a_state_file_and_come_back(void **unused)
{
	static const struct {
		const char *words, *yaml;
	} cases[] = {
		{ "exe /usr/bin/curl", "{exe: /usr/bin/curl}" },
		{ "exe|/opt/a b/c: d", "{exe: \"/opt/a b/c: d\"}" },
		{ "exe /opt/**/bin/[a-c]?[!x]*", "{exe: \"/opt/**/bin/[a-c]?[!x]*\"}" },
		{ "exe /a/[]]/[]a]/[!]]/[[]/b]", "{exe: \"/a/[]]/[]a]/[!]]/[[]/b]\"}" },
		{ "exe /a[^]/[^a]", "{exe: \"/a[^]/[^a]\"}" },
		{ "exe /a..b/..c/...", "{exe: /a..b/..c/...}" },
		{ "exe-sha256 " SHA256_UPPER " exe /x", "{exe: /x, exe-sha256: " SHA256 "}" },
		{ "parent-exe /usr/sbin/sshd", "{parent-exe: /usr/sbin/sshd}" },
		{ "unit nginx", "{unit: nginx}" },
		{ "unit getty@tty1.service", "{unit: \"getty@tty1.service\"}" },
		{ "unit a\\x2db:c.slice", "{unit: \"a\\\\x2db:c.slice\"}" },
		{ "cgroup /a.slice", "{cgroup: /a.slice}" },
		{ "cgroup a.slice/b..c", "{cgroup: a.slice/b..c}" },
		{ "uid 0-99 gid 7", "{uid: 0-99, gid: 7}" },
		{ "uid 4294967294", "{uid: 4294967294}" },
		{ "comm|Web Content", "{comm: \"Web Content\"}" },
		{ "netns any", "{netns: any}" },
		{ "netns blue uid 7", "{uid: 7, netns: blue}" },
		{ "netns /proc/7/ns/net", "{netns: /proc/7/ns/net}" },
		{ "gate unit a.service", "{unit: a.service, gate: true}" },
		{ "gate comm c gid 1 uid 2 cgroup /d unit e parent-exe /f exe-sha256 " SHA256
		  " exe /g",
		  "{exe: /g, exe-sha256: " SHA256
		  ", parent-exe: /f, unit: e, cgroup: /d, uid: 2, gid: 1, comm: c, gate: true}" },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		CV_FREE char *expected = NULL;
		struct cv_state state;

		cv_state_init(&state);
		add_app(&state, "web", cases[i].words);
		assert_true(asprintf(&expected, "apps:\n  web: %s\n", cases[i].yaml) > 0);
		expect_round_trip(&state, expected);
		cv_state_fini(&state);
	}
}

#define HINT_PATH "as /usr/bin/curl"
#define HINT_GLOB "[[] stands for the character itself"
#define HINT_UNIT "as nginx.service or user.slice; a path is for cgroup"
#define HINT_CGROUP "as /system.slice/nginx.service"
#define HINT_NETNS "a name below /run/netns, a path as /proc/PID/ns/net, or any"
#define HINT_SHA256 "as sha256sum prints them"
#define HINT_COMM "the kernel keeps no more: see /proc/PID/comm"
#define NO_UID "not a number or range from 0 to 4294967294"

static void wrong_values_are_explained(void **unused)
{
	static const struct {
		const char *words, *text, *hint;
	} cases[] = {
		{ "exe curl", "exe \"curl\": not an absolute path", HINT_PATH },
		{ "exe ./curl", "exe \"./curl\": not an absolute path", HINT_PATH },
		{ "exe ", "exe \"\": not an absolute path", HINT_PATH },
		{ "exe *", "exe \"*\": not an absolute path", HINT_PATH },
		{ "exe /..", "exe \"/..\": has a component \"..\"", HINT_PATH },
		{ "exe /a/../b", "exe \"/a/../b\": has a component \"..\"", HINT_PATH },
		{ "exe /a/*/..", "exe \"/a/*/..\": has a component \"..\"", HINT_PATH },
		{ "exe /usr/bin/", "exe \"/usr/bin/\": the path of a directory", HINT_PATH },
		{ "exe /", "exe \"/\": the path of a directory", HINT_PATH },
		{ "exe /a[", "exe \"/a[\": a \"[\" of the glob is not closed", HINT_GLOB },
		{ "exe /a[]", "exe \"/a[]\": a \"[\" of the glob is not closed", HINT_GLOB },
		{ "exe /a[!]", "exe \"/a[!]\": a \"[\" of the glob is not closed", HINT_GLOB },
		{ "exe /a[!", "exe \"/a[!\": a \"[\" of the glob is not closed", HINT_GLOB },
		{ "exe /[a]/[b", "exe \"/[a]/[b\": a \"[\" of the glob is not closed", HINT_GLOB },
		{ "exe /[a/b]", "exe \"/[a/b]\": a \"[\" of the glob is not closed", HINT_GLOB },
		{ "exe /[/]", "exe \"/[/]\": a \"[\" of the glob is not closed", HINT_GLOB },
		{ "exe-sha256 ", "exe-sha256 \"\": not 64 hexadecimal digits", HINT_SHA256 },
		{ "exe-sha256 abc", "exe-sha256 \"abc\": not 64 hexadecimal digits", HINT_SHA256 },
		{ "exe-sha256 " SHA256 "0", "exe-sha256 \"" SHA256 "0\": not 64 hexadecimal digits",
		  HINT_SHA256 },
		{ "exe-sha256 0x" SHA256, "exe-sha256 \"0x" SHA256 "\": not 64 hexadecimal digits",
		  HINT_SHA256 },
		{ "exe-sha256 g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		  "exe-sha256 \"g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\": not 64 hexadecimal digits",
		  HINT_SHA256 },
		{ "parent-exe sshd", "parent-exe \"sshd\": not an absolute path", HINT_PATH },
		{ "parent-exe /a/../b", "parent-exe \"/a/../b\": has a component \"..\"",
		  HINT_PATH },
		{ "parent-exe /usr/bin/*", "parent-exe \"/usr/bin/*\": a glob",
		  "it is the path of one executable; only exe can be a glob" },
		{ "unit ", "unit \"\": not the name of a systemd unit", HINT_UNIT },
		{ "unit a/b.service", "unit \"a/b.service\": not the name of a systemd unit",
		  HINT_UNIT },
		{ "unit|a b.service", "unit \"a b.service\": not the name of a systemd unit",
		  HINT_UNIT },
		{ "cgroup ", "cgroup \"\": not a path below the cgroup2 mount", HINT_CGROUP },
		{ "cgroup ..", "cgroup \"..\": not a path below the cgroup2 mount", HINT_CGROUP },
		{ "cgroup ../a", "cgroup \"../a\": not a path below the cgroup2 mount",
		  HINT_CGROUP },
		{ "cgroup /a/..", "cgroup \"/a/..\": not a path below the cgroup2 mount",
		  HINT_CGROUP },
		{ "cgroup /a/../b", "cgroup \"/a/../b\": not a path below the cgroup2 mount",
		  HINT_CGROUP },
		{ "uid root", "uid \"root\": " NO_UID, "" },
		{ "uid -1", "uid \"-1\": " NO_UID, "" },
		{ "uid 4294967295", "uid \"4294967295\": " NO_UID, "" },
		{ "gid 9-5", "gid \"9-5\": the range is inverted", "5-9" },
		{ "comm ", "comm \"\": not a process name of 1 to 15 characters", HINT_COMM },
		{ "comm a234567890123456",
		  "comm \"a234567890123456\": not a process name of 1 to 15 characters",
		  HINT_COMM },
		{ "netns ", "netns \"\": not a network namespace", HINT_NETNS },
		{ "netns .", "netns \".\": not a network namespace", HINT_NETNS },
		{ "netns ..", "netns \"..\": not a network namespace", HINT_NETNS },
		{ "netns proc/7/ns/net", "netns \"proc/7/ns/net\": not a network namespace",
		  HINT_NETNS },
		{ "netns", "netns: its value is missing", "netns NAME|PATH|any" },
		{ "gate gate", "gate: given twice", "" },
		{ "exe-sha265 /x", "unknown word \"exe-sha265\"", "did you mean \"exe-sha256\"?" },
	};

	(void)unused;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_app_conf conf;
		struct cv_err err;

		if (from_words(&conf, cases[i].words, &err) != -EINVAL)
			fail_msg("%s: taken", cases[i].words);
		cv_noun_app.fini(&conf);
		assert_int_equal(err.kind, CV_ERR_INPUT);
		assert_string_equal(err.text, cases[i].text);
		assert_string_equal(err.hint, cases[i].hint);
	}
}

/* ---- show ---- */

/* Three apps: one that is routed, one that is held back, one of all selectors that is nobody. */
static void fill_state(struct cv_state *state)
{
	cv_state_init(state);
	add_app(state, "web", "exe /usr/bin/web uid 0-99");
	add_app(state, "vpn", "unit vpn gate gid 7");
	add_app(state, "all",
		"exe /x exe-sha256 " SHA256
		" parent-exe /p cgroup /c uid 1 gid 2-3 comm c netns any");
}

static const struct cv_app_info samples[] = {
	{ .name = "web",
	  .id = 4,
	  .mark = 0x2000000,
	  .sockets = 15,
	  .sources = { [2] = 12, [8] = 3 } },
	{ .name = "vpn",
	  .id = 5,
	  .sockets = 1,
	  .sources = { [1] = 1 },
	  .is_held = true,
	  .held_packets = 1234567890123 },
	{ .name = "all", .id = 1024 },
};

/* What the shower writes, of all apps or of one. */
static char *shown(const char *only, bool is_json)
{
	struct cv_session session = { .only = only };
	CV_FCLOSE FILE *stream = NULL;
	char *text = NULL;
	size_t size = 0;

	stream = open_memstream(&text, &size);
	assert_non_null(stream);
	session.out = stream;
	fill_state(&session.applied);
	if (is_json)
		show_json(&session, samples, CV_COUNT(samples));
	else
		assert_int_equal(show_text(&session, samples, CV_COUNT(samples)), 0);
	cv_state_fini(&session.applied);
	assert_int_equal(cv_finish_file(&stream), 0);
	return text;
}

static void show_is_a_table(void **unused)
{
	CV_FREE char *all = shown(NULL, false);
	CV_FREE char *one = shown("vpn", false);

	(void)unused;
	assert_string_equal(
		all,
		"APP  ID    MARK       SOCKETS  KNOWN BY                HELD           SELECTED BY\n"
		"web  4     0x2000000  15       connect 12, backfill 3  -              exe /usr/bin/web uid 0-99\n"
		"vpn  5     -          1        create 1                1234567890123  unit vpn gid 7\n"
		"all  1024  -          0        -                       -              exe /x exe-sha256 " SHA256
		" parent-exe /p cgroup /c uid 1 gid 2-3 comm c netns any\n");
	assert_string_equal(one,
			    "APP  ID  MARK  SOCKETS  KNOWN BY  HELD           SELECTED BY\n"
			    "vpn  5   -     1        create 1  1234567890123  unit vpn gid 7\n");
}

/* The member behind the selectors: how many sockets are known in which way. */
#define SOURCES(create, connect, backfill)                                                         \
	"\"sources\":{\"create\":" create ",\"connect\":" connect                                  \
	",\"accept\":0,\"send\":0,\"recv\":0,\"exec\":0,\"listener\":0,\"backfill\":" backfill     \
	",\"cookie\":0,\"flow\":0}"

static void show_is_json(void **unused)
{
	CV_FREE char *all = shown("all", true);
	CV_FREE char *web = shown("web", true);
	CV_FREE char *vpn = shown("vpn", true);

	(void)unused;
	assert_string_equal(
		web,
		"[{\"name\":\"web\",\"id\":4,\"exe\":\"/usr/bin/web\",\"exe_sha256\":null,\"parent_exe\":null,\"unit\":null,\"cgroup\":null,\"uid\":\"0-99\",\"gid\":null,\"comm\":null,\"netns\":null,\"gate\":false,\"held\":false,\"held_packets\":0,\"mark\":33554432,\"sockets\":15," SOURCES(
			"0", "12", "3") "}]\n");
	assert_string_equal(
		vpn,
		"[{\"name\":\"vpn\",\"id\":5,\"exe\":null,\"exe_sha256\":null,\"parent_exe\":null,\"unit\":\"vpn\",\"cgroup\":null,\"uid\":null,\"gid\":7,\"comm\":null,\"netns\":null,\"gate\":true,\"held\":true,\"held_packets\":1234567890123,\"mark\":0,\"sockets\":1," SOURCES(
			"1", "0", "0") "}]\n");
	assert_string_equal(
		all,
		"[{\"name\":\"all\",\"id\":1024,\"exe\":\"/x\",\"exe_sha256\":\"" SHA256
		"\",\"parent_exe\":\"/p\",\"unit\":null,\"cgroup\":\"/c\",\"uid\":1,\"gid\":\"2-3\",\"comm\":\"c\",\"netns\":\"any\",\"gate\":false,\"held\":false,\"held_packets\":0,\"mark\":0,\"sockets\":0," SOURCES(
			"0", "0", "0") "}]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_a_state_file_and_come_back),
		cmocka_unit_test(wrong_values_are_explained),
		cmocka_unit_test(show_is_a_table),
		cmocka_unit_test(show_is_json),
	};

	return cmocka_run_group_tests_name("cmd_app", tests, NULL, NULL);
}
