/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sending a packet, or a copy of it, to another device than its own. */
#ifndef CV_REDIRECT_H
#define CV_REDIRECT_H

#include <linux/pkt_cls.h>

#include "count.h"
#include "packet.h"

#define CV_E_NODEV (-19)

/* A copy as the packet is now. Not to the device that it leaves by: the copy would come here, too. */
static __always_inline void cv_copy_to(struct __sk_buff *skb, const struct cv_pkt *pkt, __u32 dir,
				       __u32 ifindex)
{
	if (dir == CV_DIR_OUT && ifindex == pkt->ifindex)
		return;
	if (!ifindex || bpf_clone_redirect(skb, ifindex, 0))
		cv_count_reason(pkt->tunnel, CV_R_MIRROR_FAILED);
}

/*
 * Sends the packet elsewhere; to be the verdict of the program. Where it is there already, it goes on.
 * Where there is no such device any more, it is dropped: whoever sent it another way did not mean it
 * to take this one.
 */
static __always_inline int cv_redirect(struct __sk_buff *skb, const struct cv_pkt *pkt, __u32 dir,
				       const struct cv_actions *actions)
{
	bool is_ingress = actions->redirect_to == CV_REDIRECT_INGRESS;
	__u32 ifindex = actions->redirect_ifindex, mtu = 0;

	if (ifindex == pkt->ifindex && is_ingress == (dir == CV_DIR_IN))
		return TC_ACT_UNSPEC;
	if (!ifindex || bpf_check_mtu(skb, ifindex, &mtu, 0, 0) == CV_E_NODEV) {
		cv_count_reason(pkt->tunnel, CV_R_REDIRECT_GONE);
		return TC_ACT_SHOT;
	}
	/* The kernel resolves nothing for what has a VLAN tag in the frame, and would drop it. */
	if (actions->redirect_to == CV_REDIRECT_NEIGH && pkt->family && pkt->l3 == ETH_HLEN)
		return bpf_redirect_neigh(ifindex, NULL, 0, 0);
	return bpf_redirect(ifindex, is_ingress ? BPF_F_INGRESS : 0);
}

#endif
