/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finding a socket in the kernel's list: see socket.h. */
#include "socket.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "map.h"
#include "object.h"
#include "own.h"

#define FIT_WILDCARD 1
#define FIT_FAMILY 2 /* of the packet's own family, not IPv6 for both */
#define FIT_LOCAL 4
#define FIT_REMOTE 8

static bool is_any(const __be32 addr[4])
{
	static const __be32 any[4];

	return !memcmp(addr, any, sizeof(any));
}

static bool is_same(const __be32 a[4], const __be32 b[4])
{
	return !memcmp(a, b, 4 * sizeof(*a));
}

/* True if a port that is asked for is the socket's; one that is not known is anybody's. */
static bool has_port(uint16_t port, uint16_t wanted)
{
	return !wanted || port == wanted;
}

static bool is_candidate(const struct cv_socket *socket, const struct cv_socket_key *key)
{
	bool has_ports = socket->proto == IPPROTO_TCP || socket->proto == IPPROTO_UDP;

	if (key->pid && socket->owner.tgid != key->pid)
		return false;
	if (key->proto && socket->proto != key->proto)
		return false;
	if (socket->family != key->family && !(socket->takes_ipv4 && key->family == 4))
		return false;
	return !has_ports || has_port(socket->local_port, key->local_port);
}

int cv_socket_fit(const struct cv_socket *socket, const struct cv_socket_key *key)
{
	bool is_connected = !is_any(socket->remote);
	int fit = FIT_WILDCARD;

	if (!is_candidate(socket, key))
		return 0;
	if (!is_any(socket->local)) {
		if (!is_same(socket->local, key->local))
			return 0;
		fit += FIT_LOCAL;
	}
	if (is_connected) {
		if (!is_same(socket->remote, key->remote) ||
		    !has_port(socket->remote_port, key->remote_port))
			return 0;
		fit += FIT_REMOTE;
	}
	return fit + (socket->family == key->family ? FIT_FAMILY : 0);
}

/* The best of those that came so far. */
struct search {
	const struct cv_socket_key *key;
	uint64_t netns_cookie;
	struct cv_socket *best;
	int fit;
};

/* Without a record a socket is of this network namespace: the kernel lists no others then. */
static bool is_ours(const struct search *search, const struct cv_socket *socket)
{
	return !socket->owner.netns_cookie || socket->owner.netns_cookie == search->netns_cookie;
}

static int search_in(struct search *search, FILE *file, struct cv_err *err)
{
	struct cv_socket socket;

	while (fread(&socket, sizeof(socket), 1, file) == 1) {
		int fit = is_ours(search, &socket) ? cv_socket_fit(&socket, search->key) : 0;

		if (fit <= search->fit)
			continue;
		*search->best = socket;
		search->fit = fit;
	}
	return ferror(file) ? cv_err_set(err, -EIO, "sockets: read: %s", strerrordesc_np(EIO)) : 0;
}

/* Each program of the object walks over some of the sockets; one of them over the map's. */
static int search_with(struct search *search, const struct bpf_program *program, int owners,
		       struct cv_err *err)
{
	const union bpf_iter_link_info info = { .map.map_fd = owners };
	CV_FCLOSE FILE *file = cv_iterator_open(bpf_program__fd(program), &info);

	if (!file)
		return cv_err_set(err, -errno, "sockets: iterate by %s: %s",
				  bpf_program__name(program), strerrordesc_np(errno));
	return search_in(search, file, err);
}

int cv_socket_find(const struct cv_instance *inst, const struct cv_socket_key *key,
		   struct cv_socket *out, struct cv_err *err)
{
	struct search search = { .key = key, .netns_cookie = inst->netns_cookie, .best = out };
	CV_CLEANUP(cv_object_close) struct bpf_object *object = NULL;
	CV_CLOSE int owners = cv_host_map(inst, CV_STRING(CV_MAP_OWNERS), err);
	struct bpf_program *program;
	int rc = owners < 0 ? owners : cv_object_load(inst, CV_OBJECT_SOCKETS, NULL, &object, err);

	if (rc)
		return rc;
	bpf_object__for_each_program (program, object)
		if (!rc)
			rc = search_with(&search, program, owners, err);
	return rc ? rc : search.fit ? 0 : -ENOENT;
}
