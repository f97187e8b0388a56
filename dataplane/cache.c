/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flow caches: see cache.h. */
#include "cache.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "abi.h"
#include "map.h"
#include "own.h"

/* CPUs that can have one. */
static uint32_t cpu_count(void)
{
	int cpus = libbpf_num_possible_cpus();

	return cpus < 1 ? 1 : cpus > CV_MAX_CACHES ? CV_MAX_CACHES : cpus;
}

static bool has_cache(int caches_fd, uint32_t cpu)
{
	uint32_t id;

	return !bpf_map_lookup_elem(caches_fd, &cpu, &id);
}

static int cache_error(const char *what, struct cv_err *err)
{
	return cv_err_set(err, -errno, "map %s: %s: %s", CV_STRING(CV_MAP_CACHES), what,
			  strerrordesc_np(errno));
}

/* What is to be put into slots. */
struct caches {
	uint32_t cpus[CV_MAX_CACHES];
	int fds[CV_MAX_CACHES];
	uint32_t count;
};

static void caches_close(struct caches *caches)
{
	while (caches->count)
		cv_close_fd(&caches->fds[--caches->count]);
}

static int caches_add(struct caches *caches, uint32_t cpu, struct cv_err *err)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "cv_cache", sizeof(uint32_t),
				sizeof(struct cv_cache), 1, NULL);

	if (fd < 0)
		return cache_error("create", err);
	caches->cpus[caches->count] = cpu;
	caches->fds[caches->count++] = fd;
	return 0;
}

/* In one call: each takes a grace period of the kernel. */
static int caches_put(int caches_fd, const struct caches *caches, struct cv_err *err)
{
	uint32_t count = caches->count;

	if (!count || !bpf_map_update_batch(caches_fd, caches->cpus, caches->fds, &count, NULL))
		return 0;
	return cache_error("set slots", err);
}

int cv_caches_make(int caches_fd, struct cv_err *err)
{
	CV_CLEANUP(caches_close) struct caches caches = { .count = 0 };
	uint32_t cpus = cpu_count();
	int rc = 0;

	for (uint32_t cpu = 0; !rc && cpu < cpus; cpu++)
		if (!has_cache(caches_fd, cpu))
			rc = caches_add(&caches, cpu, err);
	return rc ? rc : caches_put(caches_fd, &caches, err);
}

int cv_caches_drop(int caches_fd, struct cv_err *err)
{
	uint32_t cpus = cpu_count();

	for (uint32_t cpu = 0; cpu < cpus; cpu++)
		if (has_cache(caches_fd, cpu) && bpf_map_delete_elem(caches_fd, &cpu))
			return cache_error("empty slot", err);
	return 0;
}

int cv_caches_missing(const struct cv_instance *inst, size_t match_count, bool is_off)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_CACHES), NULL);
	uint32_t cpus = cpu_count();
	int there = 0;

	for (uint32_t cpu = 0; fd >= 0 && cpu < cpus; cpu++)
		there += has_cache(fd, cpu);
	if (is_off)
		return -there;
	return fd < 0 || match_count < CV_CACHES_FROM ? 0 : (int)cpus - there;
}

int cv_caches_fit(const struct cv_instance *inst, size_t match_count, bool is_off,
		  struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_CACHES), err);

	if (fd < 0)
		return fd;
	if (is_off)
		return cv_caches_drop(fd, err);
	return match_count < CV_CACHES_FROM ? 0 : cv_caches_make(fd, err);
}
