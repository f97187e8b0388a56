# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Bash completion for culvert(8): objects, verbs, words, options, and the names of what is running if
# jq is there and the pins may be read.

# Prints what a running instance has: names, or prefixes of peers and routes. $1: object, then global options.
_culvert_live() {
	local object=$1 key=name
	shift
	command -v jq >/dev/null || return 0
	case $object in
	dev) key=dev ;;
	peer | route) key=to ;;
	esac
	culvert "$@" -j "$object" show 2>/dev/null | jq -r --arg key "$key" '.[][$key]' 2>/dev/null |
		sort -u
}

_culvert_devices() {
	local dev
	for dev in /sys/class/net/*; do printf '%s\n' "${dev##*/}"; done
}

_culvert_units() {
	systemctl list-units --all --plain --no-legend --type=service,scope,slice 2>/dev/null | awk '{ print $1 }'
}

# Offers the lines of $1 that begin with the word at hand. Colons are part of words here.
_culvert_offer() {
	local cur=$2
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
	if declare -F __ltrim_colon_completions >/dev/null; then __ltrim_colon_completions "$cur"; fi
}

_culvert_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

# The words of an object; those of a rule depend on whether `action` was written already.
_culvert_words() {
	case $1 in
	dev) echo "ingress egress prio handle tcx first last before after optional src-valid-mark" ;;
	app) echo "exe exe-sha256 parent-exe unit cgroup uid gid comm netns gate" ;;
	tunnel)
		echo "mode local nonlocal remote weight key vni overlap dport variant inner-smac inner-dmac" \
			"segments sid ttl dscp ecn df mtu mss allow probe"
		;;
	peer) echo "remote tunnel" ;;
	route)
		echo "tunnel app table metric src via dev hook type from from-tunnel from-mark policy nhid" \
			"nexthop"
		;;
	route-nexthop) echo "tunnel weight via dev nexthop" ;;
	tunnel-check) echo "to from timeout" ;;
	set) echo "type elements file" ;;
	rule) echo "prio match action" ;;
	explain)
		echo "dir proto src dst sport dport dev mark dscp app pid len tunnel ecn tcp-flags icmp-type" \
			"icmp-code fragment vlan flow-label"
		;;
	rule-match)
		echo "dir dev app exact family src dst proto sport dport dscp ecn tcp-flags icmp-type icmp-code" \
			"mark tunnel len fragment vlan ethertype flow-label quoted action"
		;;
	rule-action)
		echo "mark route-mark dscp priority police burst per pace sample mirror redirect ingress neigh" \
			"verdict next accept drop continue"
		;;
	monitor) echo "rule count" ;;
	esac
}

# The values of a word, as far as they are known. $1: object, $2: word, then global options.
_culvert_values() {
	local object=$1 word=$2
	shift 2
	case $object:$word in
	app:unit) _culvert_units ;;
	app:netns) echo "any" && ls /run/netns 2>/dev/null ;;
	tunnel:mode) echo "ipip gre gue fou vxlan geneve srv6" ;;
	tunnel:remote) echo "peers" ;;
	tunnel:dport) echo "4789 5555 6080 6081" ;;
	tunnel:variant) echo "0 1" ;;
	tunnel:mss) echo "auto off" ;;
	tunnel:ttl) echo "inherit" ;;
	tunnel:dscp) echo "inherit uniform cs0 cs1 cs2 cs3 cs4 cs5 cs6 cs7 af11 af21 af31 af41 ef le" ;;
	tunnel:ecn | tunnel:probe) echo "on off" ;;
	tunnel:df) echo "on off inherit" ;;
	tunnel:mtu) echo "auto" ;;
	route:hook) echo "xmit in out xmit,in xmit,out in,out" ;;
	route:type) echo "unicast local" ;;
	route:policy) echo "accept drop" ;;
	route:table) echo "main" ;;
	peer:tunnel | route*:tunnel | route:from-tunnel | rule*:tunnel | explain:tunnel) _culvert_live tunnel "$@" ;;
	route:app | explain:app) _culvert_live app "$@" ;;
	rule*:app) echo "any none" && _culvert_live app "$@" ;;
	rule*:dir | explain:dir) echo "in out" ;;
	rule*:family) echo "4 6" ;;
	rule*:proto | explain:proto) echo "tcp udp icmp icmpv6 sctp gre ipip ipv6 esp ah igmp dccp udplite" ;;
	rule*:dscp | explain:dscp) echo "cs0 cs1 cs2 cs3 cs4 cs5 cs6 cs7 af11 af21 af31 af41 ef le" ;;
	rule*:ecn | explain:ecn) echo "not-ect ect0 ect1 ce" ;;
	rule*:tcp-flags) echo "syn/syn+ack syn/fin+syn+rst+ack none/all" ;;
	rule*:icmp-type | explain:icmp-type) echo "echo-request echo-reply destination-unreachable packet-too-big time-exceeded" ;;
	rule*:fragment | explain:fragment) echo "yes no" ;;
	rule*:ethertype) echo "arp ip ipv6 mpls pppoe lldp" ;;
	rule*:verdict) echo "next accept drop continue" ;;
	rule-action:route-mark) _culvert_live app "$@" ;;
	rule-action:per) echo "rule app source" ;;
	rule-action:police | rule-action:pace) echo "1mbit 10mbit 100mbit 1gbit" ;;
	rule-action:burst) echo "64kb 256kb 1mb" ;;
	rule-action:sample) echo "1/1 1/100 1/1000" ;;
	rule-action:redirect | rule-action:mirror) _culvert_devices ;;
	monitor:rule) _culvert_live rule "$@" ;;
	set:type) echo "prefix port proto dscp mark len vlan" ;;
	rule*:src | rule*:dst | rule*:sport | rule*:dport | rule*:len | rule*:vlan) _culvert_live set "$@" | sed 's/^/@/' ;;
	*:dev) _culvert_devices ;;
	esac
}

# True if the word takes no value.
_culvert_is_bare() {
	case $1:$2 in
	route*:nexthop | dev:ingress | dev:egress | app:gate | tunnel:nonlocal | rule*:match | rule*:action) return 0 ;;
	rule-match:exact | rule-match:quoted) return 0 ;;
	rule-action:next | rule-action:accept | rule-action:drop | rule-action:continue) return 0 ;;
	rule-action:ingress | rule-action:neigh) return 0 ;;
	esac
	return 1
}

# After OBJECT VERB NAME: a word or the value of one. $1: object, $2: the word at hand, $3: number of
# global options, then these, then the words after the name.
_culvert_pairs() {
	local object=$1 cur=$2 count=$3 group=$1 word=""
	local -a globals=("${@:4:count}") given=("${@:4+count}")
	local item
	for item in "${given[@]}"; do
		if [[ -n $word ]]; then
			[[ $group == rule-match && $item == not ]] || word=""
			continue
		fi
		if [[ $object == rule && ($item == match || $item == action) ]]; then group=rule-$item; fi
		if [[ $object == route && $item == nexthop ]]; then group=route-nexthop; fi
		_culvert_is_bare "$group" "$item" || word=$item
	done
	if [[ -z $word ]]; then
		_culvert_offer "$(_culvert_words "$group")" "$cur"
	elif [[ $object:$word == app:exe || $object:$word == app:parent-exe || $object:$word == set:file ]]; then
		_culvert_files "$cur"
	else
		_culvert_offer "$(_culvert_values "$group" "$word" "${globals[@]}")" "$cur"
	fi
}

_culvert() {
	local options="-n -j -s -q -v -batch --bpffs --state --cgroup --wait --help --version"
	local objects="dev app tunnel peer route set rule"
	local verbs="check diff apply confirm save status repair watch explain monitor down schema version help"
	local cur prev cword i=1
	local -a words globals=()
	COMPREPLY=()
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n : cur prev words cword
	else
		cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
		words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
	fi

	# Global options; those that say which instance are handed on to `culvert show`.
	while ((i < cword)) && [[ ${words[i]} == -* ]]; do
		case ${words[i]} in
		-n | --bpffs | --state | --cgroup)
			if ((i + 1 < cword)); then globals+=("${words[i]}" "${words[i + 1]}"); fi
			i=$((i + 2))
			;;
		-batch | --wait) i=$((i + 2)) ;;
		*) i=$((i + 1)) ;;
		esac
	done
	if ((i > cword)); then
		case $prev in
		-n) _culvert_offer "$(ls /run/netns 2>/dev/null)" "$cur" ;;
		--wait) ;;
		*) _culvert_files "$cur" ;;
		esac
		return
	fi

	local object=${words[i]} verb=${words[i + 1]:-}
	if [[ $object == explain || $object == monitor ]] && ((cword > i)); then
		_culvert_pairs "$object" "$cur" "${#globals[@]}" "${globals[@]}" "${words[@]:i+1:cword-i-1}"
		return
	fi
	case $((cword - i)) in
	0)
		if [[ $cur == -* ]]; then
			_culvert_offer "$options" "$cur"
		else
			_culvert_offer "$objects $verbs" "$cur"
		fi
		return
		;;
	1)
		case $object in
		check | diff | apply) _culvert_files "$cur" ;;
		confirm) _culvert_offer "--rollback" "$cur" ;;
		help) _culvert_offer "$objects" "$cur" ;;
		dev) _culvert_offer "add del show help" "$cur" ;;
		tunnel) _culvert_offer "add replace del show check help" "$cur" ;;
		app | peer | route | set | rule) _culvert_offer "add replace del show help" "$cur" ;;
		esac
		return
		;;
	2)
		if [[ $object == apply ]]; then
			_culvert_offer "--dry-run --confirm" "$cur"
			return
		fi
		case $object:$verb in
		dev:add) _culvert_offer "$(_culvert_devices)" "$cur" ;;
		*:add) ;;
		*:replace | *:del | *:show | tunnel:check) _culvert_offer "$(_culvert_live "$object" "${globals[@]}")" "$cur" ;;
		esac
		return
		;;
	esac
	case $verb in
	add | replace) ;;
	del) [[ $object == route || $object == peer ]] || return ;;
	check) object=tunnel-check ;;
	*) return ;;
	esac
	_culvert_pairs "$object" "$cur" "${#globals[@]}" "${globals[@]}" "${words[@]:i+3:cword-i-3}"
}

complete -F _culvert culvert
