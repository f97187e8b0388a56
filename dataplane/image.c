/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Banks of segments: see image.h. A grace period of the kernel takes 10 to 20 ms, and taking an element
 * out of a map of maps waits for one, each time; so slots are never emptied. All at once they can be
 * set to another array, which is that of the live image's first segment: then nothing holds their own.
 */
#include "image.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "compiler/changes.h"
#include "map.h"
#include "own.h"

#define SLOTS (CV_ARENA_BANKS * CV_ARENA_SEGMENTS)

/* An image of one bank, as far as it is mapped. */
struct bank {
	struct cv_banks *banks;
	uint32_t number;
	bool is_live; /* packets read it: what is made shows itself at once */
	struct cv_arena arena;
	struct cv_arena_segment *segments[CV_ARENA_SEGMENTS];
	int fds[CV_ARENA_SEGMENTS]; /* of the first one, and of those that were made here, else -1 */
};

struct cv_banks {
	int slots_fd;
	struct cv_live *live; /* mapped */
	uint32_t ids[SLOTS]; /* of the arrays in the slots; 0: none */
	struct bank *current; /* owned; the live image, NULL: not opened yet, or there is none */
	struct bank *next; /* owned; the one that was built, NULL: none */
	uint16_t prepared; /* generation of the live image that is complete, 0: none */
};

/* ---- open and close ---- */

static void bank_fini(struct bank *bank)
{
	for (uint32_t i = 0; i < CV_ARENA_SEGMENTS; i++) {
		if (bank->segments[i])
			munmap(bank->segments[i], sizeof(*bank->segments[i]));
		cv_close_fd(&bank->fds[i]);
	}
}

static void free_bank(struct bank **bank)
{
	if (*bank)
		bank_fini(*bank);
	free(*bank);
	*bank = NULL;
}

void cv_banks_close(struct cv_banks **banks_ptr)
{
	struct cv_banks *banks = *banks_ptr;

	if (!banks)
		return;
	free_bank(&banks->current);
	free_bank(&banks->next);
	if (banks->live)
		munmap(banks->live, sizeof(*banks->live));
	cv_close_fd(&banks->slots_fd);
	free(banks);
	*banks_ptr = NULL;
}

static int map_live(struct cv_banks *banks, int live_fd, struct cv_err *err)
{
	void *memory = cv_map_memory(live_fd, sizeof(*banks->live), MAP_SHARED);

	if (memory == MAP_FAILED)
		return cv_err_set(err, -errno, "map %s: map: %s", CV_STRING(CV_MAP_LIVE),
				  strerrordesc_np(errno));
	banks->live = memory;
	return 0;
}

static uint32_t first_slot(uint32_t bank)
{
	return bank * CV_ARENA_SEGMENTS;
}

/* Segments of a bank are set one after another from its first slot on. */
static int read_ids(struct cv_banks *banks, struct cv_err *err)
{
	int rc = 0;

	memset(banks->ids, 0, sizeof(banks->ids));
	for (uint32_t bank = 0; rc >= 0 && bank < CV_ARENA_BANKS; bank++)
		rc = cv_slots_read(banks->slots_fd, first_slot(bank), CV_ARENA_SEGMENTS,
				   &banks->ids[first_slot(bank)]);
	return rc < 0 ? cv_err_set(err, rc, "map %s: read slots: %s", CV_STRING(CV_MAP_RULES),
				   strerrordesc_np(-rc))
		      : 0;
}

int cv_banks_open_maps(struct cv_banks **out, int slots_fd, int live_fd, struct cv_err *err)
{
	CV_CLEANUP(cv_banks_close) struct cv_banks *banks = calloc(1, sizeof(*banks));
	int rc;

	if (!banks)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	banks->slots_fd = fcntl(slots_fd, F_DUPFD_CLOEXEC, 0);
	if (banks->slots_fd < 0)
		return cv_err_set(err, -errno, "map %s: %s", CV_STRING(CV_MAP_RULES),
				  strerrordesc_np(errno));
	rc = map_live(banks, live_fd, err);
	if (!rc)
		rc = read_ids(banks, err);
	if (!rc)
		*out = CV_TAKE_PTR(banks);
	return rc;
}

int cv_banks_open(struct cv_banks **out, const struct cv_instance *inst, struct cv_err *err)
{
	CV_CLOSE int slots = cv_instance_map(inst, CV_STRING(CV_MAP_RULES), err);
	CV_CLOSE int live = slots < 0 ? -1 : cv_instance_map(inst, CV_STRING(CV_MAP_LIVE), err);

	if (slots < 0)
		return slots;
	return live < 0 ? live : cv_banks_open_maps(out, slots, live, err);
}

static uint64_t live_word(const struct cv_banks *banks)
{
	return __atomic_load_n(&banks->live->word, __ATOMIC_ACQUIRE);
}

/* The instant at which packets meet other rules. */
static void set_live(struct cv_banks *banks, uint32_t bank, uint32_t generation)
{
	uint32_t changes = live_word(banks) >> 32;

	__atomic_store_n(&banks->live->word, CV_LIVE_WORD(changes + 1, bank, generation),
			 __ATOMIC_RELEASE);
}

/* ---- slots ---- */

/* What is to be put into slots, by one call. */
struct batch {
	uint32_t slots[SLOTS];
	int fds[SLOTS];
	uint32_t count;
};

static int put_batch(struct cv_banks *banks, struct batch *batch, struct cv_err *err)
{
	uint32_t count = batch->count;

	if (!count ||
	    !bpf_map_update_batch(banks->slots_fd, batch->slots, batch->fds, &count, NULL))
		return 0;
	return cv_err_set(err, -errno, "map %s: set slots: %s", CV_STRING(CV_MAP_RULES),
			  strerrordesc_np(errno));
}

static int open_slot(const struct cv_banks *banks, uint32_t slot, struct cv_err *err)
{
	int fd = cv_map_by_id(banks->ids[slot]);

	return fd >= 0 ? fd
		       : cv_err_set(err, -errno, "map %s: open by id: %s", CV_STRING(CV_MAP_RULES),
				    strerrordesc_np(errno));
}

/* Waits until every packet is through that was on its way: setting an element of a map of maps, if only
 * to what it is, ends with a grace period. (membarrier(2) has one, too, but not on a machine with
 * nohz_full.) */
static int wait_for_packets(const struct cv_banks *banks, uint32_t slot, int fd, struct cv_err *err)
{
	if (!bpf_map_update_elem(banks->slots_fd, &slot, &fd, BPF_ANY))
		return 0;
	return cv_err_set(err, -errno, "map %s: set slot: %s", CV_STRING(CV_MAP_RULES),
			  strerrordesc_np(errno));
}

/* ---- one bank ---- */

/* MAP_POPULATE: all of it is going to be touched. */
static struct cv_arena_segment *map_segment(struct bank *bank, uint32_t index, int fd)
{
	void *memory =
		cv_map_memory(fd, sizeof(struct cv_arena_segment), MAP_SHARED | MAP_POPULATE);

	return memory == MAP_FAILED ? NULL : (bank->segments[index] = memory);
}

static int create_segment(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, CV_STRING(CV_MAP_RULES), sizeof(uint32_t),
				sizeof(struct cv_arena_segment), 1, &opts);

	if (fd >= 0)
		cv_map_keep_id(fd);
	return fd;
}

/* A segment of the live image must be in its slot before anything leads to it. */
static bool put_live_segment(const struct bank *bank, uint32_t index)
{
	uint32_t slot = first_slot(bank->number) + index;

	return !bpf_map_update_elem(bank->banks->slots_fd, &slot, &bank->fds[index], BPF_ANY);
}

static struct cv_arena_segment *make_segment(void *arg, uint32_t index)
{
	struct bank *bank = arg;

	bank->fds[index] = create_segment();
	if (bank->fds[index] < 0 || (bank->is_live && !put_live_segment(bank, index)))
		return NULL;
	return map_segment(bank, index, bank->fds[index]);
}

static struct cv_arena_segment *fetch_segment(void *arg, uint32_t index)
{
	struct bank *bank = arg;
	CV_CLOSE int fd = open_slot(bank->banks, first_slot(bank->number) + index, NULL);
	struct cv_arena_segment *segment = fd < 0 ? NULL : map_segment(bank, index, fd);

	if (segment && !index)
		bank->fds[0] = CV_TAKE_FD(fd); /* for settle() */
	return segment;
}

static void settle(void *arg)
{
	const struct bank *bank = arg;

	wait_for_packets(bank->banks, first_slot(bank->number), bank->fds[0], NULL);
}

static struct bank *new_bank(struct cv_banks *banks, uint32_t number)
{
	struct bank *bank = calloc(1, sizeof(*bank));

	if (!bank)
		return NULL;
	bank->banks = banks;
	bank->number = number;
	for (uint32_t i = 0; i < CV_ARENA_SEGMENTS; i++)
		bank->fds[i] = -1;
	return bank;
}

/* Opens the live image; there is none that can be read if current is NULL then. */
static int open_current(struct cv_banks *banks, struct cv_err *err)
{
	uint64_t word = live_word(banks);
	CV_CLEANUP(free_bank) struct bank *bank = NULL;
	struct cv_arena_source source = { .make = fetch_segment, .settle = settle };
	int rc;

	if (banks->current || !CV_LIVE_GENERATION(word))
		return 0;
	bank = new_bank(banks, CV_LIVE_BANK(word));
	if (!bank)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	source.arg = bank;
	rc = cv_engine_adopt(&bank->arena, &source, err);
	if (rc)
		return rc == -ESTALE ? 0 : rc; /* that of another build: to be replaced */
	bank->arena.source.make = make_segment;
	bank->is_live = true;
	banks->current = CV_TAKE_PTR(bank);
	return 0;
}

/* ---- memory of what packets do not read ---- */

/* The slot whose array packets read, or may be kept: the live image's first, or if there is no image the
 * first that has one. */
static uint32_t kept_slot(const struct cv_banks *banks)
{
	uint64_t word = live_word(banks);
	uint32_t slot = first_slot(CV_LIVE_BANK(word));

	if (!CV_LIVE_GENERATION(word))
		for (slot = 0; slot < SLOTS - 1 && !banks->ids[slot]; slot++)
			;
	return slot;
}

static bool is_read(const struct cv_banks *banks, uint32_t slot)
{
	uint32_t first = first_slot(CV_LIVE_BANK(live_word(banks)));

	return banks->current && slot >= first &&
	       slot < first + banks->current->arena.segment_count;
}

static int list_unread(const struct cv_banks *banks, struct batch *batch)
{
	uint32_t kept = kept_slot(banks);

	for (uint32_t slot = 0; slot < SLOTS; slot++)
		if (banks->ids[slot] && banks->ids[slot] != banks->ids[kept] &&
		    !is_read(banks, slot))
			batch->slots[batch->count++] = slot;
	return batch->count;
}

int cv_banks_unread(struct cv_banks *banks)
{
	CV_FREE struct batch *batch = calloc(1, sizeof(*batch));

	if (!batch || open_current(banks, NULL) ||
	    (CV_LIVE_GENERATION(live_word(banks)) && !banks->current))
		return 0;
	return list_unread(banks, batch);
}

int cv_banks_tidy(struct cv_banks *banks, struct cv_err *err)
{
	CV_FREE struct batch *batch = calloc(1, sizeof(*batch));
	CV_CLOSE int kept = -1;
	int rc = open_current(banks, err);

	if (!batch)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	if (rc || (CV_LIVE_GENERATION(live_word(banks)) && !banks->current) ||
	    !list_unread(banks, batch))
		return rc;
	kept = open_slot(banks, kept_slot(banks), err);
	if (kept < 0)
		return kept;
	rc = wait_for_packets(banks, kept_slot(banks), kept, err);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < batch->count; i++)
		batch->fds[i] = kept;
	rc = put_batch(banks, batch, err);
	return rc ? rc : read_ids(banks, err);
}

/* ---- rules ---- */

int cv_banks_read(struct cv_banks *banks, struct cv_rules *out, struct cv_err *err)
{
	int rc = open_current(banks, err);

	*out = (struct cv_rules){ 0 };
	if (rc || !banks->current)
		return rc;
	return cv_engine_read(&banks->current->arena, CV_LIVE_GENERATION(live_word(banks)), out,
			      err);
}

uint64_t cv_banks_word(const struct cv_banks *banks)
{
	return live_word(banks);
}

uint64_t cv_banks_hash(struct cv_banks *banks)
{
	struct cv_piece pieces[CV_ARENA_SEGMENTS];
	const struct cv_arena *arena;

	if (open_current(banks, NULL) || !banks->current)
		return 0;
	arena = &banks->current->arena;
	for (uint32_t i = 0; i < arena->segment_count; i++)
		pieces[i] = (struct cv_piece){ (const char *)arena->segments[i],
					       sizeof(*arena->segments[i]) };
	return cv_texts_hash(pieces, arena->segment_count);
}

bool cv_banks_id(struct cv_banks *banks, const char *name, uint32_t *id)
{
	return !open_current(banks, NULL) && banks->current &&
	       cv_engine_id(&banks->current->arena, name, id);
}

void cv_banks_each_id(struct cv_banks *banks, cv_engine_id_fn fn, void *arg)
{
	if (!open_current(banks, NULL) && banks->current)
		cv_engine_each_id(&banks->current->arena, CV_LIVE_GENERATION(live_word(banks)), fn,
				  arg);
}

int cv_banks_stats(struct cv_banks *banks, struct cv_engine_stats *out, struct cv_err *err)
{
	int rc = open_current(banks, err);

	*out = (struct cv_engine_stats){ 0 };
	if (!rc && banks->current)
		cv_engine_stats(&banks->current->arena, out);
	return rc;
}

int cv_banks_prepare(struct cv_banks *banks, const struct cv_changes *changes, struct cv_err *err)
{
	int rc = open_current(banks, err);

	if (rc)
		return rc;
	return banks->current ? cv_changes_make(changes, &banks->current->arena,
						CV_LIVE_GENERATION(live_word(banks)),
						&banks->prepared, err)
			      : -ESTALE;
}

void cv_banks_turn(struct cv_banks *banks)
{
	set_live(banks, CV_LIVE_BANK(live_word(banks)), banks->prepared);
}

/* Those that are on their way may meet rules that need it. */
void cv_banks_forgo(struct cv_banks *banks, uint32_t flags)
{
	struct cv_image *image = cv_arena_image(&banks->current->arena);

	if (!(image->flags & flags))
		return;
	settle(banks->current);
	__atomic_store_n(&image->flags, image->flags & ~flags, __ATOMIC_RELEASE);
}

int cv_banks_change(struct cv_banks *banks, const struct cv_changes *changes, struct cv_err *err)
{
	int rc = cv_banks_prepare(banks, changes, err);

	if (!rc)
		cv_banks_turn(banks);
	return rc;
}

int cv_banks_build(struct cv_banks *banks, const struct cv_rules *rules,
		   struct cv_engine_fault *fault, struct cv_err *err)
{
	uint32_t other = !CV_LIVE_BANK(live_word(banks));
	CV_CLEANUP(free_bank) struct bank *bank = new_bank(banks, other);
	struct cv_arena_source source = { .make = make_segment, .settle = settle, .arg = bank };
	int rc;

	free_bank(&banks->next);
	if (!rules->rule_count && !rules->set_count)
		return 0;
	if (!bank || !cv_arena_init(&bank->arena, &source))
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	rc = cv_engine_build(&bank->arena, rules, fault, err);
	if (!rc)
		banks->next = CV_TAKE_PTR(bank);
	return rc;
}

static int put_bank(struct cv_banks *banks, const struct bank *bank, struct cv_err *err)
{
	CV_FREE struct batch *batch = calloc(1, sizeof(*batch));
	int rc;

	if (!batch)
		return cv_err_set(err, -ENOMEM, "rules: out of memory");
	for (uint32_t i = 0; i < bank->arena.segment_count; i++) {
		batch->slots[i] = first_slot(bank->number) + i;
		batch->fds[i] = bank->fds[i];
	}
	batch->count = bank->arena.segment_count;
	rc = put_batch(banks, batch, err);
	return rc ? rc : read_ids(banks, err);
}

int cv_banks_swap(struct cv_banks *banks, struct cv_err *err)
{
	struct bank *next = banks->next;
	int rc = next ? put_bank(banks, next, err) : 0;

	if (rc)
		return rc;
	if (next)
		set_live(banks, next->number, CV_ENGINE_FIRST);
	else
		set_live(banks, CV_LIVE_BANK(live_word(banks)), 0);
	free_bank(&banks->current);
	banks->current = CV_TAKE_PTR(banks->next);
	if (next)
		next->is_live = true;
	return 0;
}
