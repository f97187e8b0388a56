/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading what the programs counted, by reason. The list of reasons is abi.h's; a probe that was
 * answered stands in it, but nothing is lost with it. */
#include <errno.h>

#include "map.h"
#include "own.h"
#include "plan.h"

static const struct {
	const char *key;
	const char *text;
} reasons[] = {
#define CV_REASON_ROW(name, key, text) { key, text },
	CV_REASONS(CV_REASON_ROW)
#undef CV_REASON_ROW
};
_Static_assert(CV_R_COUNT <= CV_DROPS_MAX, "cv_drops holds every reason");

const char *cv_reason_text(uint32_t reason)
{
	return reason < CV_R_COUNT ? reasons[reason].text : "for a reason that is not known here";
}

const char *cv_reason_key(uint32_t reason)
{
	return reason < CV_R_COUNT ? reasons[reason].key : NULL;
}

static void add(struct cv_drops *out, uint32_t reason, uint64_t packets)
{
	if (packets && reason != CV_R_PROBE && out->count < CV_DROPS_MAX)
		out->items[out->count++] = (struct cv_drop_info){
			.reason = reasons[reason].key,
			.text = reasons[reason].text,
			.packets = packets,
		};
}

int cv_drops_read(const struct cv_instance *inst, uint32_t tunnel, struct cv_drops *out,
		  struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_DROPS), err);

	out->count = 0;
	if (fd < 0)
		return fd;
	for (uint32_t reason = CV_R_OK + 1; reason < CV_R_COUNT; reason++) {
		struct cv_drop_key key = { .tunnel = tunnel, .reason = reason };
		uint64_t packets;
		int rc = cv_percpu_sum(fd, &key, &packets, 1, err);

		if (rc && rc != -ENOENT)
			return rc;
		add(out, reason, packets);
	}
	return 0;
}

int cv_probes_read(const struct cv_instance *inst, uint32_t tunnel, uint64_t *packets,
		   struct cv_err *err)
{
	CV_CLOSE int fd = cv_instance_map(inst, CV_STRING(CV_MAP_DROPS), err);
	struct cv_drop_key key = { .tunnel = tunnel, .reason = CV_R_PROBE };
	int rc;

	*packets = 0;
	if (fd < 0)
		return fd;
	rc = cv_percpu_sum(fd, &key, packets, 1, err);
	return rc == -ENOENT ? 0 : rc;
}

int cv_host_drops_add(const struct cv_instance *inst, struct cv_drops *out, struct cv_err *err)
{
	CV_CLOSE int fd = cv_pin_open(inst->host_maps, CV_STRING(CV_MAP_HOST_DROPS), err);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd; /* no app ever */
	for (uint32_t reason = CV_R_OK + 1; reason < CV_R_COUNT; reason++) {
		uint64_t sockets;
		int rc = cv_percpu_sum(fd, &reason, &sockets, 1, err);

		if (rc)
			return rc;
		add(out, reason, sockets);
	}
	return 0;
}
