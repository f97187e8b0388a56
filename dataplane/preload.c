/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Loading hooks beside: see preload.h. */
#include "preload.h"

#include <pthread.h>

#include "host.h"
#include "own.h"

static const enum cv_object wanted[] = { CV_OBJECT_OWNER, CV_OBJECT_REFRESH, CV_OBJECT_BACKFILL };
#define WANTED (sizeof(wanted) / sizeof(*wanted))

struct cv_preload {
	const struct cv_instance *inst;
	pthread_t thread;
	bool is_running;
	struct bpf_object
		*objects[WANTED]; /* owned; the thread's while it runs; NULL: not loaded */
};

static void *load_all(void *arg)
{
	struct cv_preload *preload = arg;

	for (size_t i = 0; i < WANTED; i++)
		cv_object_load(preload->inst, wanted[i], NULL, &preload->objects[i], NULL);
	return NULL;
}

/* Both threads would make them, and one would find the other's pins. */
static int make_maps(struct cv_instance *inst)
{
	struct cv_host host;
	int rc = cv_host_read(inst, &host, NULL);

	for (size_t i = 0; !rc && i < WANTED; i++) {
		CV_CLEANUP(cv_object_close) struct bpf_object *object = NULL;

		rc = cv_object_load(inst, wanted[i], CV_OBJECT_MAPS_ONLY, &object, NULL);
	}
	return rc;
}

void cv_preload_begin(struct cv_instance *inst)
{
	CV_FREE struct cv_preload *preload = calloc(1, sizeof(*preload));

	cv_object_build(); /* what it computes once is there before there are two */
	if (!preload || inst->preload || make_maps(inst))
		return;
	preload->inst = inst;
	preload->is_running = !pthread_create(&preload->thread, NULL, load_all, preload);
	if (preload->is_running)
		inst->preload = CV_TAKE_PTR(preload);
}

static void join(struct cv_preload *preload)
{
	if (preload->is_running)
		pthread_join(preload->thread, NULL);
	preload->is_running = false;
}

bool cv_preload_take(struct cv_instance *inst, enum cv_object which, struct bpf_object **out)
{
	struct cv_preload *preload = inst->preload;

	if (!preload)
		return false;
	join(preload);
	for (size_t i = 0; i < WANTED; i++)
		if (wanted[i] == which && preload->objects[i]) {
			*out = CV_TAKE_PTR(preload->objects[i]);
			return true;
		}
	return false;
}

void cv_preload_end(struct cv_instance *inst)
{
	CV_FREE struct cv_preload *preload = CV_TAKE_PTR(inst->preload);

	if (!preload)
		return;
	join(preload);
	for (size_t i = 0; i < WANTED; i++)
		if (preload->objects[i])
			cv_object_close(&preload->objects[i]);
}
