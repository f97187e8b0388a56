/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A journal that is left tells what was at work, and whether the turn was taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal.h"
#include "map.h"
#include "own.h"

static int make_instance(void **state)
{
	struct cv_instance *inst = calloc(1, sizeof(*inst));

	if (!inst)
		return -1;
	inst->access = CV_ACCESS_WRITE; /* the lock is ours: nobody else is at work */
	snprintf(inst->state_dir, sizeof(inst->state_dir), "/tmp/cv-journal-XXXXXX");
	*state = inst;
	return mkdtemp(inst->state_dir) ? 0 : -1;
}

static int remove_instance(void **state)
{
	struct cv_instance *inst = *state;
	int rc = cv_dir_remove(inst->state_dir, NULL);

	free(inst);
	return rc;
}

static void there_is_none_at_first(void **state)
{
	struct cv_interruption was;

	assert_int_equal(0, cv_instance_interrupted(*state, &was, NULL));
}

static void before_the_turn_the_old_state_stands(void **state)
{
	struct cv_interruption was;
	struct cv_err err;

	assert_int_equal(cv_applied_write(*state, "old", &err), 0);
	assert_int_equal(cv_journal_begin(*state, "apply a file with blanks.yaml", &err), 0);
	assert_int_equal(1, cv_instance_interrupted(*state, &was, NULL));
	assert_false(was.is_turned);
	assert_int_equal(was.pid, getpid());
	assert_string_equal(was.what, "apply a file with blanks.yaml");
	assert_true(was.began_seconds > 1000000000);
}

static void behind_the_turn_the_new_one_does(void **state)
{
	struct cv_interruption was;
	struct cv_err err;

	assert_int_equal(cv_applied_write(*state, "old", &err), 0);
	assert_int_equal(cv_journal_begin(*state, "down", &err), 0);
	assert_int_equal(cv_applied_write(*state, "old", &err),
			 0); /* equal, and yet another file */
	assert_int_equal(1, cv_instance_interrupted(*state, &was, NULL));
	assert_true(was.is_turned);
}

static void the_first_state_of_all_turns_too(void **state)
{
	struct cv_interruption was;
	struct cv_err err;

	assert_int_equal(cv_journal_begin(*state, "apply", &err), 0);
	assert_int_equal(1, cv_instance_interrupted(*state, &was, NULL));
	assert_false(was.is_turned);
	assert_int_equal(cv_applied_write(*state, "new", &err), 0);
	assert_int_equal(1, cv_instance_interrupted(*state, &was, NULL));
	assert_true(was.is_turned);
}

static void an_end_leaves_nothing(void **state)
{
	struct cv_interruption was;
	struct cv_err err;

	assert_int_equal(cv_journal_begin(*state, "apply", &err), 0);
	assert_int_equal(cv_journal_end(*state, &err), 0);
	assert_int_equal(0, cv_instance_interrupted(*state, &was, NULL));
	assert_int_equal(cv_journal_end(*state, &err), 0);
}

/* The machine's power may have ended while it was written. */
static void a_torn_one_is_one(void **state)
{
	const struct cv_instance *inst = *state;
	struct cv_interruption was;
	char path[PATH_MAX + 16];
	CV_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "%s/change", inst->state_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "12 17", 5), 5);
	assert_int_equal(1, cv_instance_interrupted(inst, &was, NULL));
	assert_int_equal(was.pid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(there_is_none_at_first, make_instance,
						remove_instance),
		cmocka_unit_test_setup_teardown(before_the_turn_the_old_state_stands, make_instance,
						remove_instance),
		cmocka_unit_test_setup_teardown(behind_the_turn_the_new_one_does, make_instance,
						remove_instance),
		cmocka_unit_test_setup_teardown(the_first_state_of_all_turns_too, make_instance,
						remove_instance),
		cmocka_unit_test_setup_teardown(an_end_leaves_nothing, make_instance,
						remove_instance),
		cmocka_unit_test_setup_teardown(a_torn_one_is_one, make_instance, remove_instance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
