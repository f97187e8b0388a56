/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Questions about one network device. Devices are never changed here. */
#include "nl_link.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "chain.h"
#include "own.h"

#define SINGLE_MAX 8 /* devices that are asked for one by one before the picture is taken */

struct found {
	struct cv_link link;
	bool is_found;
};

/* The picture of all devices. */
struct cv_picture {
	unsigned int users; /* who want it to be remembered */
	unsigned int asked; /* questions until now */
	bool is_taken;
	struct cv_links links;
	struct cv_chains by_name;
	struct cv_chains by_index;
};

/* Returns 1 for a device, 0 for another message, or a negative errno. */
static int read_link(struct nlmsghdr *hdr, struct cv_link *link, struct cv_err *err)
{
	static struct nla_policy policy[IFLA_MAX + 1] = {
		[IFLA_IFNAME] = { .type = NLA_STRING },
		[IFLA_MTU] = { .type = NLA_U32 },
		[IFLA_IFALIAS] = { .type = NLA_STRING },
	};
	struct nlattr *attrs[IFLA_MAX + 1];
	const struct ifinfomsg *info;

	if (hdr->nlmsg_type != RTM_NEWLINK)
		return 0;
	if (nlmsg_parse(hdr, sizeof(*info), attrs, IFLA_MAX, policy) < 0 || !attrs[IFLA_IFNAME])
		return cv_err_set(err, -EBADMSG, "dev: malformed answer from the kernel");
	info = nlmsg_data(hdr);
	*link = (struct cv_link){
		.ifindex = (uint32_t)info->ifi_index,
		.mtu_bytes = attrs[IFLA_MTU] ? nla_get_u32(attrs[IFLA_MTU]) : 0,
		.type = info->ifi_type,
		.is_up = info->ifi_flags & IFF_UP,
	};
	nla_strlcpy(link->name, attrs[IFLA_IFNAME], sizeof(link->name));
	if (attrs[IFLA_IFALIAS])
		nla_strlcpy(link->alias, attrs[IFLA_IFALIAS], sizeof(link->alias));
	return 1;
}

static int parse_link(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct found *found = arg;
	int ret = hdr ? read_link(hdr, &found->link, err) : 0;

	if (ret > 0)
		found->is_found = true;
	return ret < 0 ? ret : 0;
}

/* ---- many ---- */

int cv_links_add(struct cv_links *links, const struct cv_link *link, struct cv_err *err)
{
	if (links->count == links->capacity) {
		size_t capacity = links->capacity ? 2 * links->capacity : 16;
		struct cv_link *grown = reallocarray(links->items, capacity, sizeof(*grown));

		if (!grown)
			return cv_err_set(err, -ENOMEM, "devs: out of memory");
		links->items = grown;
		links->capacity = capacity;
	}
	links->items[links->count++] = *link;
	return 0;
}

static int parse_next(struct nlmsghdr *hdr, void *arg, struct cv_err *err)
{
	struct cv_links *links = arg;
	struct cv_link link;
	int rc;

	if (!hdr) {
		links->count = 0;
		return 0;
	}
	rc = read_link(hdr, &link, err);
	return rc > 0 ? cv_links_add(links, &link, err) : rc;
}

static int compare(const void *left, const void *right)
{
	const struct cv_link *a = left, *b = right;

	return strcmp(a->name, b->name);
}

void cv_links_sort(struct cv_links *links)
{
	if (links->count)
		qsort(links->items, links->count, sizeof(*links->items), compare);
}

static int list_links(struct cv_nl *nl, struct cv_links *out, struct cv_err *err)
{
	struct ifinfomsg *info;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETLINK, NLM_F_DUMP, sizeof(*info), (void **)&info);

	if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS))
		return cv_err_set(err, -ENOMEM, "devs: %s", strerrordesc_np(ENOMEM));
	return cv_nl_query(nl, msg, parse_next, out, err, "devs");
}

int cv_link_list(struct cv_nl *nl, struct cv_links *out, struct cv_err *err)
{
	int rc = list_links(nl, out, err);

	cv_links_sort(out);
	return rc;
}

const struct cv_link *cv_links_find(const struct cv_links *links, const char *name)
{
	struct cv_link key;

	if (!links->count || strlen(name) >= sizeof(key.name))
		return NULL;
	snprintf(key.name, sizeof(key.name), "%s", name);
	return bsearch(&key, links->items, links->count, sizeof(key), compare);
}

void cv_links_fini(struct cv_links *links)
{
	free(links->items);
	*links = (struct cv_links){ 0 };
}

/* ---- the picture ---- */

void cv_links_remember(struct cv_nl *nl)
{
	struct cv_picture **picture = cv_nl_picture(nl);

	if (!*picture)
		*picture = calloc(1, sizeof(**picture)); /* without it each is asked for */
	if (*picture)
		(*picture)->users++;
}

static void empty(struct cv_picture *picture)
{
	cv_links_fini(&picture->links);
	cv_chains_fini(&picture->by_name);
	cv_chains_fini(&picture->by_index);
	*picture = (struct cv_picture){ .users = picture->users };
}

void cv_links_forget(struct cv_nl *nl)
{
	struct cv_picture **picture = cv_nl_picture(nl);

	if (!*picture || --(*picture)->users)
		return;
	empty(*picture);
	free(*picture);
	*picture = NULL;
}

static int chain_up(struct cv_picture *picture)
{
	const struct cv_links *links = &picture->links;
	size_t room = 1;

	while (room < links->count)
		room *= 2;
	if (cv_chains_grow(&picture->by_name, room) || cv_chains_grow(&picture->by_index, room))
		return -ENOMEM;
	for (size_t i = 0; i < links->count; i++) {
		cv_chains_link(&picture->by_name, cv_hash_text(links->items[i].name), i);
		cv_chains_link(&picture->by_index, links->items[i].ifindex, i);
	}
	return 0;
}

/* Without memory, or an answer, each is asked for as before. */
static void take_picture(struct cv_nl *nl, struct cv_picture *picture)
{
	if (list_links(nl, &picture->links, NULL) || chain_up(picture))
		empty(picture);
	else
		picture->is_taken = true;
}

/* True if there is a picture to look into. */
static bool has_picture(struct cv_nl *nl)
{
	struct cv_picture *picture = *cv_nl_picture(nl);

	if (picture && !picture->is_taken && ++picture->asked == SINGLE_MAX)
		take_picture(nl, picture);
	return picture && picture->is_taken;
}

static const struct cv_link *find_in_picture(const struct cv_picture *picture, const char *name,
					     uint32_t ifindex)
{
	const struct cv_chains *chains = name ? &picture->by_name : &picture->by_index;
	uint32_t number = cv_chains_first(chains, name ? cv_hash_text(name) : ifindex);

	for (; number != CV_NOBODY; number = chains->next[number]) {
		const struct cv_link *link = &picture->links.items[number];

		if (name ? !strcmp(link->name, name) : link->ifindex == ifindex)
			return link;
	}
	return NULL;
}

/* ---- questions ---- */

static int ask(struct cv_nl *nl, const char *name, uint32_t ifindex, const char *what,
	       struct found *found, struct cv_err *err)
{
	struct ifinfomsg *info;
	CV_NL_MSG_FREE struct nl_msg *msg =
		cv_nl_msg(RTM_GETLINK, 0, sizeof(*info), (void **)&info);

	if (!msg)
		return cv_err_set(err, -ENOMEM, "%s: %s", what, strerrordesc_np(ENOMEM));
	info->ifi_index = (int)ifindex;
	if (name && nla_put_string(msg, IFLA_IFNAME, name))
		return cv_err_set(err, -EMSGSIZE, "%s: message too long", what);
	if (nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS))
		return cv_err_set(err, -EMSGSIZE, "%s: message too long", what);
	return cv_nl_query(nl, msg, parse_link, found, err, "%s", what);
}

/* By name, or by ifindex if name is NULL. */
static int find(struct cv_nl *nl, const char *name, uint32_t ifindex, struct cv_link *out,
		struct cv_err *err)
{
	struct found found = { .is_found = false };
	const struct cv_link *link = NULL;
	char what[64];
	int ret = 0;

	if (name)
		snprintf(what, sizeof(what), "dev %s", name);
	else
		snprintf(what, sizeof(what), "dev with index %u", ifindex);
	if (has_picture(nl))
		link = find_in_picture(*cv_nl_picture(nl), name, ifindex);
	else
		ret = ask(nl, name, ifindex, what, &found, err);
	if (ret)
		return ret;
	if (!link && !found.is_found)
		return cv_err_set(err, -ENODEV, "%s: %s", what, strerrordesc_np(ENODEV));
	*out = link ? *link : found.link;
	return 0;
}

int cv_link_by_name(struct cv_nl *nl, const char *name, struct cv_link *out, struct cv_err *err)
{
	/* The kernel calls such a name "Numerical result out of range". */
	if (!*name || strlen(name) >= IF_NAMESIZE)
		return cv_err_set(err, -ENODEV, "dev %s: %s", name, strerrordesc_np(ENODEV));
	return find(nl, name, 0, out, err);
}

int cv_link_by_index(struct cv_nl *nl, uint32_t ifindex, struct cv_link *out, struct cv_err *err)
{
	if (!ifindex || ifindex > INT32_MAX)
		return cv_err_set(err, -ENODEV, "dev with index %u: %s", ifindex,
				  strerrordesc_np(ENODEV));
	return find(nl, NULL, ifindex, out, err);
}
