/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which devices a state means: see dev_find.h. */
#include "dev_find.h"

#include <errno.h>
#include <fnmatch.h>
#include <net/if_arp.h>
#include <string.h>

#include "own.h"
#include "segment.h"

#define ONE_BY_ONE_MAX 8 /* up to so many names are cheaper to ask for than all devices */

bool cv_dev_conf_is_pattern(const struct cv_dev_conf *dev)
{
	return strpbrk(dev->name, "*?[");
}

const struct cv_dev_conf *cv_state_dev_of(const struct cv_state *state, const char *name)
{
	const struct cv_dev_conf *found = cv_state_find_dev(state, name);

	if (!strcmp(name, CV_SEGMENT_IN) || !strcmp(name, CV_SEGMENT_OUT))
		return found;
	for (size_t i = 0; !found && i < state->dev_count; i++)
		if (cv_dev_conf_is_pattern(&state->devs[i]) &&
		    !fnmatch(state->devs[i].name, name, 0))
			found = &state->devs[i];
	return found;
}

bool cv_link_has_ethernet(const struct cv_link *link)
{
	return link->type == ARPHRD_ETHER || link->type == ARPHRD_LOOPBACK;
}

static int add(struct cv_devs *devs, const struct cv_dev_conf *conf, const struct cv_link *link,
	       struct cv_err *err)
{
	struct cv_dev_at *dev;

	if (devs->count == devs->capacity) {
		size_t capacity = devs->capacity ? 2 * devs->capacity : 16;
		struct cv_dev_at *grown = reallocarray(devs->items, capacity, sizeof(*grown));

		if (!grown)
			return cv_err_set(err, -ENOMEM, "devs: out of memory");
		devs->items = grown;
		devs->capacity = capacity;
	}
	dev = &devs->items[devs->count++];
	*dev = (struct cv_dev_at){ .conf = conf };
	if (link)
		dev->link = *link;
	else
		memcpy(dev->link.name, conf->name, sizeof(conf->name));
	return 0;
}

static int add_all_of(struct cv_devs *devs, const struct cv_state *state,
		      const struct cv_dev_conf *pattern, const struct cv_links *links,
		      struct cv_err *err)
{
	size_t before = devs->count;
	int rc = 0;

	for (size_t i = 0; !rc && i < links->count; i++)
		if (!fnmatch(pattern->name, links->items[i].name, 0) &&
		    cv_link_has_ethernet(&links->items[i]) &&
		    cv_state_dev_of(state, links->items[i].name) == pattern)
			rc = add(devs, pattern, &links->items[i], err);
	return !rc && devs->count == before ? add(devs, pattern, NULL, err) : rc;
}

static bool has_pattern(const struct cv_state *state)
{
	for (size_t i = 0; i < state->dev_count; i++)
		if (cv_dev_conf_is_pattern(&state->devs[i]))
			return true;
	return false;
}

static int list_links(struct cv_instance *inst, const struct cv_state *state,
		      struct cv_links *links, struct cv_err *err)
{
	int rc = 0;

	if (state->dev_count > ONE_BY_ONE_MAX || has_pattern(state))
		return cv_link_list(inst->nl, links, err);
	for (size_t i = 0; !rc && i < state->dev_count; i++) {
		struct cv_link link;

		rc = cv_link_by_name(inst->nl, state->devs[i].name, &link, err);
		if (!rc)
			rc = cv_links_add(links, &link, err);
		else if (rc == -ENODEV)
			rc = 0;
	}
	cv_links_sort(links);
	return rc;
}

int cv_devs_find(struct cv_instance *inst, const struct cv_state *state, struct cv_devs *out,
		 struct cv_err *err)
{
	CV_CLEANUP(cv_links_fini) struct cv_links links = { 0 };
	int rc = list_links(inst, state, &links, err);

	for (size_t i = 0; !rc && i < state->dev_count; i++) {
		const struct cv_dev_conf *conf = &state->devs[i];

		rc = cv_dev_conf_is_pattern(conf)
			     ? add_all_of(out, state, conf, &links, err)
			     : add(out, conf, cv_links_find(&links, conf->name), err);
	}
	return rc;
}

void cv_devs_fini(struct cv_devs *devs)
{
	free(devs->items);
	*devs = (struct cv_devs){ 0 };
}

int cv_devs_confs(struct cv_instance *inst, const struct cv_state *state, struct cv_dev_conf **out,
		  size_t *count, struct cv_err *err)
{
	CV_CLEANUP(cv_devs_fini) struct cv_devs devs = { 0 };
	struct cv_dev_conf *confs;
	int rc = cv_devs_find(inst, state, &devs, err);

	if (rc)
		return rc;
	confs = calloc(devs.count + 1, sizeof(*confs));
	if (!confs)
		return cv_err_set(err, -ENOMEM, "devs: out of memory");
	*count = 0;
	for (size_t i = 0; i < devs.count; i++) {
		struct cv_dev_conf *conf = &confs[*count];

		if (!devs.items[i].link.ifindex)
			continue;
		*conf = *devs.items[i].conf;
		memcpy(conf->name, devs.items[i].link.name, sizeof(conf->name));
		(*count)++;
	}
	*out = confs;
	return 0;
}
