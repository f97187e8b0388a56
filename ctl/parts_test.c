/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unit tests of parts.c and how they are read: which files a state is made of, in which order, and that
 * everything that is wrong with them is told with the right file.
 */
#include "parts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "own.h"
#include "yaml.h"

#define CV_COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- a folder of its own for each test, which is the working directory ---- */

static int enter_folder(void **state)
{
	char *folder = strdup("/tmp/culvert-parts-XXXXXX");

	*state = folder;
	return !folder || !mkdtemp(folder) || chdir(folder);
}

static int leave_folder(void **state)
{
	CV_FREE char *command = NULL;
	int rc =
		chdir("/") || asprintf(&command, "rm -r %s", (char *)*state) < 0 || system(command);

	free(*state);
	return rc;
}

static void write_file(const char *file, const char *text)
{
	CV_FCLOSE FILE *stream = fopen(file, "we");

	assert_non_null(stream);
	assert_true(fputs(text, stream) >= 0);
}

/* What is read, and what is reported of it. */
struct reading {
	struct cv_state state;
	struct cv_parts parts;
	struct cv_report *report;
	FILE *stream;
	char *printed;
	size_t size;
	int rc, status;
};

static void free_reading(struct reading *reading)
{
	cv_state_fini(&reading->state);
	cv_report_free(&reading->report);
	if (reading->stream)
		fclose(reading->stream);
	free(reading->printed);
	cv_parts_fini(&reading->parts);
}

#define READING CV_CLEANUP(free_reading) struct reading

/* A state file as the command reads it. */
static int read_config(struct cv_state *state, const char *file, struct cv_parts *files,
		       struct cv_report *report)
{
	size_t first = files->count;

	if (cv_parts_read(files, file, report))
		return -EINVAL;
	return cv_config_parse_parts(state, files->items + first, files->count - first, report);
}

static void read_file(struct reading *reading, const char *file)
{
	*reading = (struct reading){ .stream = NULL };
	reading->stream = open_memstream(&reading->printed, &reading->size);
	assert_non_null(reading->stream);
	assert_int_equal(cv_report_new(&reading->report, reading->stream, false), 0);
	cv_state_init(&reading->state);
	reading->rc = read_config(&reading->state, file, &reading->parts, reading->report);
	reading->status = cv_report_status(reading->report);
	cv_report_free(&reading->report);
	assert_int_equal(cv_finish_file(&reading->stream), 0);
}

static void expect_good(const char *file, const char *expected)
{
	READING reading;
	CV_FREE char *text = NULL;

	read_file(&reading, file);
	assert_string_equal(reading.printed, "");
	assert_int_equal(reading.rc, 0);
	text = cv_config_text(&reading.state);
	assert_string_equal(text, expected);
}

static void expect_bad(const char *file, const char *expected)
{
	READING reading;

	read_file(&reading, file);
	assert_string_equal(reading.printed, expected);
	assert_int_equal(reading.rc, -EINVAL);
	assert_int_equal(reading.status, 1);
}

#define EXE(name) "{exe: /bin/" name "}"

/* ---- which files ---- */

static void files_of_the_folder_are_read_in_the_order_of_their_names(void **state)
{
	(void)state;
	assert_int_equal(mkdir("c.d", 0700), 0);
	write_file("c.yaml", "apps: {main: " EXE("main") "}\n");
	write_file("c.d/b.yaml", "apps: {b: " EXE("b") "}\n");
	write_file("c.d/10.yaml", "apps: {ten: " EXE("ten") "}\n");
	write_file("c.d/9.yaml", "apps: {nine: " EXE("nine") "}\n");
	write_file("c.d/B.yaml", "apps: {big: " EXE("big") "}\n");
	expect_good(
		"c.yaml",
		"apps:\n"
		"  main: " EXE(
			"main") "\n"
				"  ten: " EXE(
					"ten") "\n"
					       "  nine: " EXE(
						       "nine") "\n"
							       "  big: " EXE(
								       "big") "\n"
									      "  b: " EXE(
										      "b") "\n");
}

static void only_yaml_files_of_that_folder_are_read(void **state)
{
	static const char *const others[] = {
		"c.d/.hidden.yaml", "c.d/.yaml",  "c.d/x.yaml~",     "c.d/x.yml", "c.d/x",
		"c.d/README",	    "d.d/x.yaml", "c.yaml.d/x.yaml",
	};

	(void)state;
	assert_int_equal(mkdir("c.d", 0700) | mkdir("c.d/deep.d", 0700) | mkdir("d.d", 0700) |
				 mkdir("c.yaml.d", 0700),
			 0);
	for (size_t i = 0; i < CV_COUNT(others); i++)
		write_file(others[i], "not: a: state: file\n");
	write_file("c.yaml", "devices: {eth0: }\n");
	expect_good("c.yaml", "devices:\n  eth0: {ingress: true, egress: true}\n");
	expect_good("./c.yaml", "devices:\n  eth0: {ingress: true, egress: true}\n");
}

/* Only a name that ends in ".yaml" has a folder. */
static void other_names_have_no_folder(void **state)
{
	static const char *const names[] = { "c", "c.yml", "c.yaml.bak", ".yaml" };

	(void)state;
	assert_int_equal(mkdir("c.d", 0700) | mkdir(".d", 0700) | mkdir("c.yaml.d", 0700), 0);
	write_file("c.d/x.yaml", "bad\n");
	write_file(".d/x.yaml", "bad\n");
	write_file("c.yaml.d/x.yaml", "bad\n");
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		write_file(names[i], "devices: {eth0: }\n");
		expect_good(names[i], "devices:\n  eth0: {ingress: true, egress: true}\n");
	}
}

static void several_states_can_be_read(void **state)
{
	CV_CLEANUP(cv_report_free) struct cv_report *report = NULL;
	struct cv_parts parts = { 0 };
	struct cv_state first, second;

	(void)state;
	assert_int_equal(mkdir("b.d", 0700), 0);
	write_file("a.yaml", "devices: {eth0: }\n");
	write_file("b.yaml", "devices: {eth0: }\n");
	write_file("b.d/c.yaml", "apps: {a: " EXE("a") "}\n");
	assert_int_equal(cv_report_new(&report, NULL, false), 0);
	cv_state_init(&first);
	cv_state_init(&second);
	assert_int_equal(read_config(&first, "a.yaml", &parts, report), 0);
	assert_int_equal(read_config(&second, "none.yaml", &parts, report), -EINVAL);
	assert_int_equal(read_config(&second, "b.yaml", &parts, report), 0);
	assert_int_equal(parts.count, 3);
	assert_int_equal(second.dev_count, 1);
	assert_int_equal(second.app_count, 1);
	assert_string_equal(first.devs[0].place.file, "a.yaml");
	assert_string_equal(second.apps[0].place.file, "b.d/c.yaml");
	cv_state_fini(&first);
	cv_state_fini(&second);
	cv_parts_fini(&parts);
}

/* ---- what cannot be read ---- */

static void all_unreadable_files_are_told(void **state)
{
	(void)state;
	expect_bad("none.yaml", "culvert: state file none.yaml: No such file or directory\n");
	assert_int_equal(mkdir("c.d", 0700) | mkdir("c.d/a.yaml", 0700), 0);
	assert_int_equal(symlink("nowhere", "c.d/b.yaml"), 0);
	write_file("c.d/z.yaml", "bad\n");
	expect_bad("c.yaml", "culvert: state file c.yaml: No such file or directory\n"
			     "culvert: state file c.d/a.yaml: Is a directory\n"
			     "culvert: state file c.d/b.yaml: No such file or directory\n");
	write_file("d.yaml", "");
	write_file("d.d", "");
	expect_bad("d.yaml", "culvert: folder of state files d.d: Not a directory\n");
}

static void files_are_limited_together(void **state)
{
	(void)state;
	assert_int_equal(mkdir("c.d", 0700), 0);
	write_file("c.yaml", "devices:\n");
	write_file("c.d/a.yaml", "");
	assert_int_equal(truncate("c.d/a.yaml", CV_YAML_MAX_BYTES - 8), 0);
	expect_bad("c.yaml", "culvert: state file c.d/a.yaml: larger than 268435447 bytes\n");
}

static void a_state_of_nothing_is_warned_of(void **state)
{
	static const struct {
		const char *text;
		const char *printed;
	} cases[] = {
		{ "", "culvert: warning: state file c.yaml: empty: nothing is wanted\n" },
		{ "# devices: {a0: {}}\n \r\n# and no more",
		  "culvert: warning: state file c.yaml: empty: nothing is wanted\n" },
		{ "# of nobody\nrules:\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		READING reading;

		write_file("c.yaml", cases[i].text);
		read_file(&reading, "c.yaml");
		assert_int_equal(reading.rc, 0);
		assert_string_equal(reading.printed, cases[i].printed);
	}
	assert_int_equal(mkdir("c.d", 0700), 0);
	write_file("c.d/a.yaml", "devices: {eth0: }\n");
	expect_good("c.yaml", "devices:\n  eth0: {ingress: true, egress: true}\n");
}

/* ---- what they say together ---- */

#define TUNNEL "tunnels: {t: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7}}\n"

static void lists_add_up_and_names_are_known_in_all_files(void **state)
{
	(void)state;
	assert_int_equal(mkdir("c.d", 0700), 0);
	write_file("c.yaml", "routes: [{to: 10.1.0.0/16, tunnel: t}]\n");
	write_file("c.d/a.yaml", "routes:\n  - {to: 10.2.0.0/16, tunnel: t, app: a}\n");
	write_file("c.d/b.yaml", TUNNEL "apps: {a: " EXE("a") "}\noptions: {flow-cache: no}\n");
	expect_good("c.yaml",
		    "options: {flow-cache: false}\n"
		    "apps:\n  a: " EXE(
			    "a") "\n"
				 "tunnels:\n  t: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7}\n"
				 "routes:\n"
				 "  - {to: 10.1.0.0/16, tunnel: t}\n"
				 "  - {to: 10.2.0.0/16, tunnel: t, app: a}\n");
}

static void what_two_files_have_names_both_places(void **state)
{
	(void)state;
	assert_int_equal(mkdir("c.d", 0700), 0);
	write_file(
		"c.yaml",
		TUNNEL "options: {flow-cache: no}\napps: {a: " EXE(
			"a") "}\ndevices: {eth0: }\n"
			     "sets: {s: {type: port}}\nrules: {r: }\nroutes: [{to: 10.1.0.0/16, tunnel: t}]\n");
	write_file(
		"c.d/a.yaml",
		"\noptions: {flow-cache: no}\napps: {a: " EXE(
			"b") "}\ndevices: {eth0: }\n" TUNNEL
			     "sets: {s: {type: port}}\nrules: {r: }\nroutes: [{to: 10.1.0.0/16, tunnel: t}]\n");
	expect_bad(
		"c.yaml",
		"c.d/a.yaml:2:1: error: options: given twice, first at c.yaml:2:1\n"
		"    options: {flow-cache: no}\n"
		"    ^\n"
		"hint: only one file of a state can have them\n"
		"c.d/a.yaml:4:11: error: dev eth0: given twice, first at c.yaml:4:11\n"
		"    devices: {eth0: }\n"
		"              ^\n"
		"c.d/a.yaml:3:8: error: app a: given twice, first at c.yaml:3:8\n"
		"    apps: {a: {exe: /bin/b}}\n"
		"           ^\n"
		"c.d/a.yaml:5:11: error: tunnel t: given twice, first at c.yaml:1:11\n"
		"    tunnels: {t: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7}}\n"
		"              ^\n"
		"c.d/a.yaml:5:11: error: tunnel t: same mode, local, remote and key as tunnel t\n"
		"    tunnels: {t: {mode: gre, local: 192.0.2.1, remote: 192.0.2.7}}\n"
		"              ^\n"
		"hint: give one of them a key of its own\n"
		"c.d/a.yaml:8:15: error: route 10.1.0.0/16: given twice, first at c.yaml:7:15\n"
		"    routes: [{to: 10.1.0.0/16, tunnel: t}]\n"
		"                  ^\n"
		"c.d/a.yaml:6:8: error: set s: given twice, first at c.yaml:5:8\n"
		"    sets: {s: {type: port}}\n"
		"           ^\n"
		"c.d/a.yaml:7:9: error: rule r: given twice, first at c.yaml:6:9\n"
		"    rules: {r: }\n"
		"            ^\n");
}

/* A file that only libyaml reads, one that the scanner reads and a good one: each fault once, and what is
 * known of a faulty object is not forgotten because another file has something at the same place. */
static void faults_of_all_files_come_in_one_run(void **state)
{
	(void)state;
	assert_int_equal(mkdir("c.d", 0700), 0);
	write_file("c.yaml", "devices:\n  eth0: {ingres: yes, ingress: no, egress: no}\n");
	write_file("c.d/a.yaml", "devices:\n  eth1: {ingress: no, egress: no}\n");
	write_file("c.d/b.yaml", "apps: {b: {exe: \"x\\x41\"}}\n# \xc2\x85\n");
	write_file("c.d/c.yaml", "devices:\n  eth2: \n");
	expect_bad("c.yaml", "c.yaml:2:10: error: unknown key \"ingres\"\n"
			     "      eth0: {ingres: yes, ingress: no, egress: no}\n"
			     "             ^\n"
			     "hint: did you mean \"ingress\"?\n"
			     "c.d/b.yaml:1:17: error: exe \"xA\": not an absolute path\n"
			     "    apps: {b: {exe: \"x\\x41\"}}\n"
			     "                    ^\n"
			     "hint: as /usr/bin/curl\n"
			     "c.d/a.yaml:2:3: error: dev eth1: neither ingress nor egress\n"
			     "      eth1: {ingress: no, egress: no}\n"
			     "      ^\n"
			     "hint: give ingress, egress or both\n");
}

/* What a file that cannot be read as YAML would have said is not missed. */
static void after_a_fault_of_syntax_nothing_is_missed(void **state)
{
	(void)state;
	assert_int_equal(mkdir("c.d", 0700), 0);
	write_file("c.yaml", "routes: [{to: 10.1.0.0/16, tunnel: t}]\n");
	write_file("c.d/a.yaml", "tunnels: {t: }}\n");
	write_file("c.d/b.yaml", "apps: {b: {exe: x}}\n");
	expect_bad(
		"c.yaml",
		"c.d/a.yaml:1:15: error: did not find expected key while parsing a block mapping\n"
		"    tunnels: {t: }}\n"
		"                  ^\n"
		"c.d/b.yaml:1:17: error: exe \"x\": not an absolute path\n"
		"    apps: {b: {exe: x}}\n"
		"                    ^\n"
		"hint: as /usr/bin/curl\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_folder, leave_folder)
	const struct CMUnitTest tests[] = {
		TEST(files_of_the_folder_are_read_in_the_order_of_their_names),
		TEST(only_yaml_files_of_that_folder_are_read),
		TEST(other_names_have_no_folder),
		TEST(several_states_can_be_read),
		TEST(all_unreadable_files_are_told),
		TEST(files_are_limited_together),
		TEST(a_state_of_nothing_is_warned_of),
		TEST(lists_add_up_and_names_are_known_in_all_files),
		TEST(what_two_files_have_names_both_places),
		TEST(faults_of_all_files_come_in_one_run),
		TEST(after_a_fault_of_syntax_nothing_is_missed),
	};

	return cmocka_run_group_tests_name("parts", tests, NULL, NULL);
}
