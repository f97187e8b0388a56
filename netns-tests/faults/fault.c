/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Preloaded into the command, this makes one of its system calls fail, or the process die at it. What the
 * kernel is asked for is caught by syscall user dispatch, so nothing passes it by, whichever library asks.
 * Set by the environment:
 *
 *   FAULT_CALLS  changes: calls that change something outside of the process, and those that make it
 *                ready (programs, maps, files opened for writing); reads: those that look at what is
 *                outside; memory: those that the allocator asks for more with
 *   FAULT_AT     number of the call among those, from 1; 0 or absent: none
 *   FAULT_DO     fail    the call is not made, and fails
 *                rest    as fail, and so do all later calls of the same name
 *                after   the call is made, and its result is lost: it seems to have failed
 *                refuse  (netlink) the kernel's answer to the first message that is sent is a refusal
 *                cut     (reads) only the first half of what there is to read comes
 *                torn    (answers of netlink) the list changed while it was read; it is whole if it is
 *                        asked for again
 *                kill    SIGKILL in place of the call
 *                killed  SIGKILL as soon as the call was made
 *   FAULT_ERRNO  with which it fails
 *   FAULT_LOG    a file: a line "NUMBER NAME RESULT" for each counted call; that of the fault has "fault"
 *   FAULT_IDS    a file: a line "map ID", "prog ID" or "link ID" for each that was made
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#endif
#define FILTER_ALLOW 0
#define FILTER_BLOCK 1
#define KERNEL_SIGSET_BYTES 8
#define KERNEL_SA_RESTORER 0x04000000

enum fault { FAIL, REST, AFTER, KILL, KILLED, REFUSE, CUT, TORN };
static const char *const fault_names[] = { "fail",   "rest",   "after", "kill",
					   "killed", "refuse", "cut",	"torn" };

enum counted { CHANGES, READS, MEMORY };
static const char *const counted_names[] = { "changes", "reads", "memory" };

static struct {
	enum counted counted;
	long at;
	enum fault fault;
	int code;
	int log_fd;
	int ids_fd;
	long count;
	const char *failing; /* name of the calls that fail from now on */
	struct {
		int fd; /* -1: none */
		struct nlmsghdr message;
	} refused; /* what netlink has to answer next */
} state = { .log_fd = -1, .ids_fd = -1, .refused = { .fd = -1 } };

static char selector = FILTER_ALLOW;

struct call {
	long number;
	long args[6];
};

/* ---- raw system calls: the selector lets them pass ---- */

#ifndef __x86_64__
#error "only for x86-64"
#endif

static long make(const struct call *call)
{
	register long r10 __asm__("r10") = call->args[3];
	register long r8 __asm__("r8") = call->args[4];
	register long r9 __asm__("r9") = call->args[5];
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(call->number), "D"(call->args[0]), "S"(call->args[1]),
			   "d"(call->args[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static long ask(long number, long a, long b, long c)
{
	return make(&(struct call){ .number = number, .args = { a, b, c } });
}

/* The way back from the handler. It lies in a section of its own: calls from there are never caught. */
void fault_restore(void);
__asm__(".pushsection fault_way_back, \"ax\"\n"
	".globl fault_restore\n"
	"fault_restore:\n"
	"	mov $15, %eax\n" /* rt_sigreturn */
	"	syscall\n"
	"	nop\n" /* the address that the kernel looks at is the one behind the call */
	".popsection\n");
extern const char __start_fault_way_back[], __stop_fault_way_back[];

static __attribute__((noreturn)) void die(void)
{
	for (;;)
		ask(SYS_kill, ask(SYS_getpid, 0, 0, 0), SIGKILL, 0);
}

static void print(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void print(int fd, const char *format, ...)
{
	char line[96];
	va_list args;
	int len;

	if (fd < 0)
		return;
	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	ask(SYS_write, fd, (long)line, len);
}

/* ---- what a call is ---- */

/* Commands of bpf() that change or make something; the others are not named. */
static const char *const bpf_names[] = {
	[BPF_MAP_CREATE] = "bpf:map-create",
	[BPF_MAP_UPDATE_ELEM] = "bpf:map-update",
	[BPF_MAP_DELETE_ELEM] = "bpf:map-delete",
	[BPF_PROG_LOAD] = "bpf:prog-load",
	[BPF_OBJ_PIN] = "bpf:pin",
	[BPF_PROG_ATTACH] = "bpf:attach",
	[BPF_PROG_DETACH] = "bpf:detach",
	[BPF_BTF_LOAD] = "bpf:btf-load",
	[BPF_MAP_LOOKUP_AND_DELETE_ELEM] = "bpf:map-take",
	[BPF_MAP_FREEZE] = "bpf:map-freeze",
	[BPF_MAP_UPDATE_BATCH] = "bpf:map-update-batch",
	[BPF_MAP_DELETE_BATCH] = "bpf:map-delete-batch",
	[BPF_LINK_CREATE] = "bpf:link-create",
	[BPF_LINK_UPDATE] = "bpf:link-update",
	[BPF_LINK_DETACH] = "bpf:link-detach",
};

static const char *name_bpf(long command, const union bpf_attr *attr)
{
	/* One that is only read holds nothing in the kernel. */
	if (command == BPF_LINK_CREATE && attr->link_create.attach_type == BPF_TRACE_ITER)
		return "bpf:iterator";
	return (size_t)command < sizeof(bpf_names) / sizeof(*bpf_names) ? bpf_names[command] : NULL;
}

#define NETLINK_ASKS "netlink:get"

/* Of rtnetlink's four messages of a kind, the third one asks; of netfilter's, which have a higher byte,
 * culvert sends no others. */
static const char *name_message(const struct nlmsghdr *header)
{
	static const char *const names[] = { "netlink:new", "netlink:del", NETLINK_ASKS,
					     "netlink:set" };

	return header->nlmsg_type > UINT8_MAX ? NETLINK_ASKS : names[header->nlmsg_type % 4];
}

/* The first message that is sent, and *len bytes with those behind it; NULL if it is none of netlink. */
static struct nlmsghdr *sent_message(const struct call *call, size_t *len)
{
	const struct msghdr *msg = (const struct msghdr *)call->args[1];
	struct nlmsghdr *header = (struct nlmsghdr *)call->args[1];

	*len = call->args[2];
	if (call->number == SYS_sendmsg && !msg->msg_iovlen)
		return NULL;
	if (call->number == SYS_sendmsg) {
		header = msg->msg_iov->iov_base;
		*len = msg->msg_iov->iov_len;
	}
	/* Netlink begins every message with its own length; what else is sent begins otherwise. */
	if (*len < sizeof(*header) || header->nlmsg_len > *len ||
	    header->nlmsg_type < NLMSG_MIN_TYPE)
		return NULL;
	return header;
}

static const char *name_send(const struct call *call)
{
	size_t len;
	const struct nlmsghdr *header = sent_message(call, &len);

	return header ? name_message(header) : NULL;
}

/* The same of those that change something. */
static const char *name_order(const struct call *call)
{
	const char *name = name_send(call);

	return name && strcmp(name, NETLINK_ASKS) != 0 ? name : NULL;
}

static bool is_open_to_write(long flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
}

static const struct {
	long number;
	const char *name;
} plain_names[] = {
	{ SYS_mount, "mount" },
	{ SYS_umount2, "umount" },
	{ SYS_rename, "rename" },
	{ SYS_renameat, "rename" },
	{ SYS_renameat2, "rename" },
	{ SYS_unlink, "unlink" },
	{ SYS_unlinkat, "unlink" },
	{ SYS_rmdir, "rmdir" },
	{ SYS_mkdir, "mkdir" },
	{ SYS_mkdirat, "mkdir" },
	{ SYS_link, "link" },
	{ SYS_linkat, "link" },
	{ SYS_symlink, "symlink" },
	{ SYS_symlinkat, "symlink" },
	{ SYS_setsockopt, "setsockopt" },
	{ SYS_fsync, "fsync" },
	{ SYS_fdatasync, "fsync" },
	{ SYS_ftruncate, "ftruncate" },
	{ SYS_chmod, "chmod" },
	{ SYS_fchmod, "chmod" },
	{ SYS_chown, "chown" },
	{ SYS_fchown, "chown" },
	{ SYS_setns, "setns" },
	{ SYS_unshare, "unshare" },
	{ SYS_fsopen, "fsopen" },
	{ SYS_fsconfig, "fsconfig" },
	{ SYS_fsmount, "fsmount" },
	{ SYS_move_mount, "move_mount" },
};

/* The name of a call that changes something; NULL of others. */
static const char *name_change(const struct call *call)
{
	switch (call->number) {
	case SYS_bpf:
		return name_bpf(call->args[0], (const union bpf_attr *)call->args[1]);
	case SYS_sendto:
	case SYS_sendmsg:
		return name_order(call);
	case SYS_open:
		return is_open_to_write(call->args[1]) ? "open" : NULL;
	case SYS_openat:
		return is_open_to_write(call->args[2]) ? "open" : NULL;
	case SYS_write:
	case SYS_pwrite64:
	case SYS_writev:
		return call->args[0] > STDERR_FILENO ? "write" : NULL;
	case SYS_mmap: /* of a file or a map, to write */
		return call->args[4] >= 0 && call->args[3] & MAP_SHARED &&
				       call->args[2] & PROT_WRITE
			       ? "mmap"
			       : NULL;
	}
	for (size_t i = 0; i < sizeof(plain_names) / sizeof(*plain_names); i++)
		if (plain_names[i].number == call->number)
			return plain_names[i].name;
	return NULL;
}

/* ---- calls that look ---- */

static const struct {
	long number;
	const char *name;
} look_names[] = {
	{ SYS_open, "open-read" },
	{ SYS_openat, "open-read" },
	{ SYS_read, "read" },
	{ SYS_pread64, "read" },
	{ SYS_getdents64, "getdents" },
	{ SYS_recvmsg, "recv" },
	{ SYS_recvfrom, "recv" },
	{ SYS_stat, "stat" },
	{ SYS_fstat, "fstat" },
	{ SYS_lstat, "stat" },
	{ SYS_newfstatat, "stat" },
	{ SYS_statx, "stat" },
	{ SYS_statfs, "statfs" },
	{ SYS_fstatfs, "statfs" },
	{ SYS_readlink, "readlink" },
	{ SYS_readlinkat, "readlink" },
	{ SYS_access, "access" },
	{ SYS_faccessat, "access" },
	{ SYS_faccessat2, "access" },
	{ SYS_socket, "socket" },
	{ SYS_socketpair, "socket" },
	{ SYS_bind, "bind" },
	{ SYS_connect, "connect" },
	{ SYS_getsockname, "getsockname" },
	{ SYS_getsockopt, "getsockopt" },
	{ SYS_flock, "flock" },
	{ SYS_ioctl, "ioctl" },
	{ SYS_dup, "dup" },
	{ SYS_fcntl, "fcntl" },
	{ SYS_pipe2, "pipe" },
	{ SYS_name_to_handle_at, "file-handle" },
	{ SYS_getcwd, "getcwd" },
	{ SYS_capget, "capget" },
	{ SYS_mmap, "mmap-read" },
	{ SYS_poll, "poll" },
	{ SYS_perf_event_open, "perf" },
	{ SYS_pidfd_open, "pidfd" },
	{ SYS_memfd_create, "memfd" },
	{ SYS_signalfd4, "signalfd" },
	{ SYS_inotify_init1, "inotify" },
	{ SYS_inotify_add_watch, "inotify" },
	{ SYS_clone, "fork" },
	{ SYS_vfork, "fork" },
	{ SYS_clone3, "fork" },
};

static bool is_anonymous(const struct call *call)
{
	return call->number == SYS_mmap && call->args[4] < 0;
}

/* The name of a call that looks at what is outside; NULL of others. */
static const char *name_look(const struct call *call, char *buffer, size_t size)
{
	if (name_change(call) || is_anonymous(call))
		return NULL;
	if (call->number == SYS_bpf) {
		snprintf(buffer, size, "bpf:%ld", call->args[0]);
		return buffer;
	}
	if (call->number == SYS_sendto || call->number == SYS_sendmsg)
		return name_send(call);
	for (size_t i = 0; i < sizeof(look_names) / sizeof(*look_names); i++)
		if (look_names[i].number == call->number)
			return look_names[i].name;
	return NULL;
}

static bool is_for_memory(const struct call *call)
{
	return call->number == SYS_brk || call->number == SYS_mremap || is_anonymous(call);
}

/* The name of a counted call; NULL of others. */
static const char *name_counted(const struct call *call, char *buffer, size_t size)
{
	if (state.counted == READS)
		return name_look(call, buffer, size);
	if (state.counted == MEMORY)
		return is_for_memory(call) ? "memory" : NULL;
	return name_change(call);
}

/* ---- what was made ---- */

static void note_id(int fd, const char *kind)
{
	uint32_t info[64] = { 0 };
	union bpf_attr attr = { .info = { .bpf_fd = fd,
					  .info_len = sizeof(info),
					  .info = (uint64_t)(uintptr_t)info } };

	/* The id is the second word of all three. */
	if (!ask(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, (long)&attr, sizeof(attr)))
		print(state.ids_fd, "%s %u\n", kind, info[1]);
}

static void note_made(const struct call *call, long ret)
{
	if (call->number != SYS_bpf || ret < 0 || state.ids_fd < 0)
		return;
	if (call->args[0] == BPF_MAP_CREATE)
		note_id(ret, "map");
	if (call->args[0] == BPF_PROG_LOAD)
		note_id(ret, "prog");
	if (call->args[0] == BPF_LINK_CREATE)
		note_id(ret, "link");
}

/* ---- the fault ---- */

static long make_and_note(const struct call *call)
{
	long ret = make(call);

	note_made(call, ret);
	return ret;
}

/* A call that fails. */
static long fail_call(const struct call *call)
{
	/* It has no error numbers: what it returns is the end of the heap, which is where it was. */
	return call->number == SYS_brk ? ask(SYS_brk, 0, 0, 0) : -state.code;
}

/* Sends all but the first message, and notes what has to be answered. */
static long refuse(const struct call *call)
{
	size_t len, first;
	struct nlmsghdr *header = sent_message(call, &len);
	struct iovec iov;
	struct msghdr rest = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (!header)
		return fail_call(call);
	state.refused.fd = (int)call->args[0];
	state.refused.message = *header;
	first = NLMSG_ALIGN(header->nlmsg_len);
	if (first >= len)
		return (long)len;
	iov = (struct iovec){ (char *)header + first, len - first };
	return ask(SYS_sendmsg, call->args[0], (long)&rest, 0) < 0 ? -state.code : (long)len;
}

/* Only half of what a read could bring; what is behind it can still be read. */
static long cut(const struct call *call)
{
	struct call less = *call;
	long there = make(call);

	if (there < 2 || (call->number != SYS_read && call->number != SYS_pread64))
		return there;
	if (call->number == SYS_read &&
	    ask(SYS_lseek, call->args[0], there / 2 - there, SEEK_CUR) < 0)
		return there;
	less.args[2] = there / 2;
	return less.args[2];
}

static struct msghdr *received(const struct call *call)
{
	return call->number == SYS_recvmsg ? (struct msghdr *)call->args[1] : NULL;
}

static long tear(const struct call *call)
{
	struct msghdr *msg = received(call);
	long len = make(call);
	int left = (int)len;

	if (!msg || len < (long)sizeof(struct nlmsghdr))
		return len;
	for (struct nlmsghdr *header = msg->msg_iov->iov_base; NLMSG_OK(header, (unsigned int)left);
	     header = NLMSG_NEXT(header, left))
		if (header->nlmsg_flags & NLM_F_MULTI)
			header->nlmsg_flags |= NLM_F_DUMP_INTR;
	return len;
}

/* What netlink answers to a message that it refuses. */
static long answer_refusal(const struct call *call)
{
	struct msghdr *msg = received(call);
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} answer = { .header = { .nlmsg_len = sizeof(answer),
				 .nlmsg_type = NLMSG_ERROR,
				 .nlmsg_flags = NLM_F_CAPPED,
				 .nlmsg_seq = state.refused.message.nlmsg_seq,
				 .nlmsg_pid = state.refused.message.nlmsg_pid },
		     .error = { .error = -state.code, .msg = state.refused.message } };

	state.refused.fd = -1;
	memcpy(msg->msg_iov->iov_base, &answer, sizeof(answer));
	if (msg->msg_namelen)
		memset(msg->msg_name, 0, msg->msg_namelen);
	msg->msg_flags = 0;
	return sizeof(answer);
}

static long do_fault(const struct call *call, const char *name)
{
	static char failing[32];

	switch (state.fault) {
	case REST:
		snprintf(failing, sizeof(failing), "%s", name);
		state.failing = failing;
		break;
	case AFTER:
		make_and_note(call);
		break;
	case KILLED:
		make_and_note(call);
		die();
	case KILL:
		die();
	case REFUSE:
		return refuse(call);
	case CUT:
		return cut(call);
	case TORN:
		return tear(call);
	case FAIL:
		break;
	}
	return fail_call(call);
}

static long answer(const struct call *call)
{
	char buffer[32];
	const char *name = name_counted(call, buffer, sizeof(buffer));
	long ret;

	if (state.refused.fd >= 0 && call->args[0] == state.refused.fd && received(call))
		return answer_refusal(call);
	if (!name)
		return make_and_note(call);
	state.count++;
	if (state.count == state.at) {
		print(state.log_fd, "%ld %s fault\n", state.count, name);
		return do_fault(call, name);
	}
	if (state.failing && !strcmp(state.failing, name))
		return fail_call(call);
	ret = make_and_note(call);
	print(state.log_fd, "%ld %s %ld\n", state.count, name, ret);
	return ret;
}

static void handle(int signal, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct call call = { .number = info->si_syscall,
			     .args = { regs[REG_RDI], regs[REG_RSI], regs[REG_RDX], regs[REG_R10],
				       regs[REG_R8], regs[REG_R9] } };
	int saved = errno;

	(void)signal;
	selector = FILTER_ALLOW;
	regs[REG_RAX] = answer(&call);
	errno = saved;
	selector = FILTER_BLOCK;
}

/* ---- threads ---- */

/* A thread runs when it is made, to its end: calls are then caught in it, too, and come in the same
 * order in every run. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	static void *results[16];
	static size_t count;

	(void)attr;
	if (count == sizeof(results) / sizeof(*results))
		return EAGAIN;
	*thread = (pthread_t)&results[count];
	results[count++] = fn(arg);
	return 0;
}

int pthread_join(pthread_t thread, void **result)
{
	if (result)
		*result = *(void **)thread;
	return 0;
}

/* ---- beginning ---- */

static int open_log(const char *variable)
{
	const char *path = getenv(variable);

	return path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
}

static long number_of(const char *variable)
{
	const char *text = getenv(variable);

	return text ? strtol(text, NULL, 10) : 0;
}

static void read_environment(void)
{
	const char *calls = getenv("FAULT_CALLS"), *what = getenv("FAULT_DO");

	for (size_t i = 0; calls && i < sizeof(counted_names) / sizeof(*counted_names); i++)
		if (!strcmp(calls, counted_names[i]))
			state.counted = i;
	state.at = number_of("FAULT_AT");
	state.code = (int)number_of("FAULT_ERRNO");
	state.log_fd = open_log("FAULT_LOG");
	state.ids_fd = open_log("FAULT_IDS");
	for (size_t i = 0; what && i < sizeof(fault_names) / sizeof(*fault_names); i++)
		if (!strcmp(what, fault_names[i]))
			state.fault = i;
}

/* What the C library's sigaction() sets has a way back of its own, which would be caught. */
static bool handle_signal(void)
{
	struct {
		void (*handler)(int signal, siginfo_t *info, void *context);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} action = { handle, SA_SIGINFO | KERNEL_SA_RESTORER, fault_restore, 0 };
	struct call call = { .number = SYS_rt_sigaction,
			     .args = { SIGSYS, (long)&action, 0, KERNEL_SIGSET_BYTES } };

	return !make(&call);
}

static __attribute__((constructor)) void begin(void)
{
	read_environment();
	if (!handle_signal() ||
	    prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, __start_fault_way_back,
		  __stop_fault_way_back - __start_fault_way_back, &selector)) {
		fputs("fault.so: no syscall user dispatch\n", stderr);
		_exit(77);
	}
	selector = FILTER_BLOCK;
}
