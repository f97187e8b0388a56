/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tc programs, for tests that run them: group_setup() loads them. */
#ifndef CV_CLASSIFIER_H
#define CV_CLASSIFIER_H

#include "progrun.h"

#include "classify.skel.h"

struct classifier {
	struct cv_classify_bpf *skel;
	int ingress;
	int egress;
};

static struct classifier classifier;

static inline int group_setup(void **state)
{
	struct cv_classify_bpf *skel;

	(void)state;
	if (!progrun_enter())
		return 0;
	skel = cv_classify_bpf__open();
	assert_non_null(skel);
	prepare_maps(skel->obj);
	classifier.skel = skel;
	if (take_loaded(skel->obj, cv_classify_bpf__load(skel))) {
		classifier.ingress = bpf_program__fd(skel->progs.cv_cls_ingress);
		classifier.egress = bpf_program__fd(skel->progs.cv_cls_egress);
	}
	return 0;
}

static inline int group_teardown(void **state)
{
	(void)state;
	cv_classify_bpf__destroy(classifier.skel);
	return 0;
}

#endif
