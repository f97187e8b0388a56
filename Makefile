# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Builds libculvert, the culvert command, the BPF objects, the tests and the man pages; `make help`
# lists the targets. Everything that is made lies below build/, with SAN=1 below build/san/.
# BPF objects go through bpftool into skeleton headers, which dataplane/object.c embeds; the very
# same objects are installed for stock tc and ip.

# ---- what can be set -------------------------------------------------------------------------

PREFIX ?= /usr/local
DESTDIR ?=
sbindir ?= $(PREFIX)/sbin
libdir ?= $(PREFIX)/lib
includedir ?= $(PREFIX)/include
mandir ?= $(PREFIX)/share/man
datadir ?= $(PREFIX)/share
unitdir ?= $(PREFIX)/lib/systemd/system
completionsdir ?= $(PREFIX)/share/bash-completion/completions
# Not below PREFIX: ip reads /etc/iproute2 only.
sysconfdir ?= /etc

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
LLVM_STRIP ?= llvm-strip
# sbin is not in everybody's PATH.
BPFTOOL ?= $(or $(shell command -v bpftool 2>/dev/null),/usr/sbin/bpftool)
CLANG_TIDY ?= clang-tidy
PKG_CONFIG ?= pkg-config
SCDOC ?= scdoc
# libFuzzer comes with one version of clang only.
FUZZ_CC ?= clang-14
FUZZ_SECONDS ?= 30

CFLAGS ?= -O2 -g
LDFLAGS ?=
WERROR ?= 1
SAN ?= 0
V ?= 0
TEST_TIMEOUT_SECONDS ?= 120
VM_KERNELS ?= 6.1 6.12
VM_TIMEOUT_SECONDS ?= 5400
# Instead of the usual ones; all: all scenarios.
VM_SCENARIOS ?=

BUILD ?= build
# Where everything of this run goes: sanitized and plain objects never mix.
OUT := $(BUILD)$(if $(filter 1,$(SAN)),/san)

Q := $(if $(filter 1,$(V)),,@)
# Says in one line what is made, unless V=1 or make -s.
silent := $(findstring s,$(firstword -$(MAKEFLAGS)))
say = $(if $(filter 1,$(V))$(silent),@:,@printf '  %-7s %s\n' '$(1)' '$(2)')

.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

# ---- what there is ---------------------------------------------------------------------------

is_test := %_test.c %_fuzz.c

BPF_SRC := $(wildcard bpf/*.bpf.c)
DATAPLANE_ALL := $(wildcard dataplane/*.c dataplane/*/*.c)
CTL_ALL := $(wildcard ctl/*.c ctl/*/*.c)
DATAPLANE_SRC := $(filter-out $(is_test),$(DATAPLANE_ALL))
CTL_SRC := $(filter-out $(is_test),$(CTL_ALL))
RULESET_ALL := $(wildcard netns-tests/rulesets/*.c)
RULESET_SRC := $(filter-out $(is_test),$(RULESET_ALL))
TEST_SRC := $(filter %_test.c,$(DATAPLANE_ALL) $(CTL_ALL) $(RULESET_ALL))
FUZZ_SRC := $(filter %_fuzz.c,$(DATAPLANE_ALL) $(CTL_ALL))
PROGRUN_SRC := $(wildcard netns-tests/progrun/*.c)
TOOL_SRC := $(wildcard netns-tests/tools/*.c)
FAULT_SHIM := $(OUT)/fault.so
HOST_HEADERS := bpf/abi.h $(wildcard dataplane/*.h dataplane/*/*.h ctl/*.h ctl/*/*.h)
BPF_HEADERS := $(wildcard bpf/*.h)
BENCH_BPF_SRC := $(wildcard netns-tests/bench/*.bpf.c)
MAN_SRC := $(wildcard docs/*.8.scd docs/*.5.scd)
COMPLETION := $(wildcard docs/culvert.bash)
UNITS := $(wildcard docs/*.service.in)

objects = $(patsubst %.c,$(OUT)/%.o,$(1))
BPF_NAMES := $(patsubst bpf/%.bpf.c,%,$(BPF_SRC))
BPF_OBJ := $(BPF_NAMES:%=$(OUT)/bpf/%.bpf.o)
SKELETONS := $(BPF_NAMES:%=$(OUT)/bpf/%.skel.h)
BENCH_SKELETONS := $(BENCH_BPF_SRC:netns-tests/bench/%.bpf.c=$(OUT)/bench/%.skel.h)
LIBCULVERT := $(OUT)/libculvert.a
# The command without its main(), for tests.
LIBCTL := $(OUT)/libctl.a
# Rule sets and packets, for tests and measurements.
LIBRULESETS := $(OUT)/librulesets.a
COMMAND := $(OUT)/culvert
# The same with the map ABI to come, for the scenario of upgrades.
NEXT := $(OUT)/next/culvert
TESTS := $(patsubst %.c,$(OUT)/tests/%,$(notdir $(TEST_SRC)))
PROGRUN := $(patsubst netns-tests/progrun/%.c,$(OUT)/tests/progrun_%,$(PROGRUN_SRC))
TOOLS := $(patsubst netns-tests/tools/%.c,$(OUT)/%,$(TOOL_SRC))
MAN := $(patsubst docs/%.scd,$(OUT)/man/%,$(MAN_SRC))
SCHEMA := $(OUT)/culvert.schema.json
FUZZERS := $(patsubst %.c,$(OUT)/fuzz/bin/%,$(notdir $(FUZZ_SRC)))
TIDY := $(patsubst %.c,$(OUT)/tidy/%,$(DATAPLANE_SRC) $(CTL_SRC) $(BPF_SRC))

# Test programs of all folders share build/tests/.
ifneq ($(words $(TESTS)),$(words $(sort $(TESTS))))
$(error two unit tests have the same file name: $(TEST_SRC))
endif

# ---- tools and libraries: one line that names the Debian package -----------------------------

goals := $(or $(MAKECMDGOALS),all)
need_tool = $(if $(shell command -v $(firstword $(1)) 2>/dev/null),,$(error $(firstword $(1)) is missing: apt-get install $(2)))
need_lib = $(if $(shell $(PKG_CONFIG) --exists $(1) && echo yes),,$(error library $(1) is missing: apt-get install $(2)))

LIBS := libbpf libnl-3.0 yaml-0.1 libmd libelf zlib

# Neither of these compiles anything.
ifneq ($(filter-out clean help uninstall,$(goals)),)
$(call need_tool,$(CC),gcc)
$(call need_tool,$(CLANG),clang)
$(call need_tool,$(LLVM_STRIP),llvm)
$(call need_tool,$(BPFTOOL),bpftool)
$(call need_tool,$(PKG_CONFIG),pkgconf)
$(if $(MAN_SRC),$(call need_tool,$(SCDOC),scdoc))
$(call need_lib,libbpf,libbpf-dev)
$(call need_lib,libnl-3.0,libnl-3-dev)
$(call need_lib,yaml-0.1,libyaml-dev)
$(call need_lib,libmd,libmd-dev)
$(call need_lib,libelf,libelf-dev)
$(call need_lib,zlib,zlib1g-dev)
endif
ifneq ($(filter tests check check-%,$(goals)),)
$(call need_lib,cmocka,libcmocka-dev)
endif
ifneq ($(filter tidy,$(goals)),)
$(call need_tool,$(CLANG_TIDY),clang-tidy)
endif
ifneq ($(filter fuzz fuzz-run,$(goals)),)
$(call need_tool,$(FUZZ_CC),clang-14)
$(if $(wildcard $(shell $(FUZZ_CC) -print-runtime-dir)/libclang_rt.fuzzer*),,$(error the runtime of libFuzzer is missing: apt-get install libclang-rt-14-dev))
endif

# ---- flags -----------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
ifneq ($(WERROR),0)
WARN += -Werror
BPF_WERROR := -Werror
endif

SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# -iquote, not -I: ctl/yaml.h must never be found for <yaml.h>. ctl does not see bpf/. Skeletons are
# -isystem: warnings about generated code help nobody.
INCLUDES_CTL := -iquote ctl -iquote dataplane
INCLUDES := -iquote . -iquote dataplane -iquote bpf -isystem $(OUT)/bpf -isystem $(OUT)/bench
# Where the tree lies is nobody's business: objects are the same from any folder.
PREFIX_MAP := -ffile-prefix-map=$(CURDIR)=.

PKG_CFLAGS = $(eval PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(LIBS)) -lm)$(PKG_LIBS)
CMOCKA_LIBS = $(eval CMOCKA_LIBS := $(shell $(PKG_CONFIG) --libs cmocka))$(CMOCKA_LIBS)

BASE_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(WARN) $(PREFIX_MAP) $(PKG_CFLAGS)
C_FLAGS = $(BASE_CFLAGS) $(if $(filter 1,$(SAN)),$(SAN_FLAGS))
L_FLAGS = $(LDFLAGS) $(if $(filter 1,$(SAN)),$(SAN_FLAGS))
FUZZ_FLAGS = $(BASE_CFLAGS) $(SAN_FLAGS)
DEPEND = -MMD -MP

# asm/types.h lies in the folder of the host's architecture, which clang -target bpf does not search.
MULTIARCH = $(eval MULTIARCH := $(firstword $(shell gcc -print-multiarch 2>/dev/null || $(CLANG) -print-multiarch 2>/dev/null)))$(MULTIARCH)
# v3: what clang 14 has and kernel 6.1 loads; v4 is neither.
BPF_FLAGS = -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall $(BPF_WERROR) $(PREFIX_MAP) \
	$(if $(MULTIARCH),-idirafter /usr/include/$(MULTIARCH))

# Every object depends on $(OUT)/flags, which changes when a compiler or a flag does, and every
# archive on $(OUT)/sources, which changes when a source file comes or goes.
FLAGS_TEXT = $(CC) | $(C_FLAGS) | $(L_FLAGS) | $(PKG_LIBS) | $(CLANG) | $(BPF_FLAGS) | $(LLVM_STRIP) | $(BPFTOOL) | $(FUZZ_CC)
FLAGS_FILE := $(OUT)/flags
SOURCES_FILE := $(OUT)/sources
shell_quote = '$(subst ','\'',$(1))'

# Writes text $(1) into the target unless it is there already.
define keep_text
	@mkdir -p $(@D)
	@printf '%s\n' $(call shell_quote,$(1)) | cmp -s - $@ || \
		printf '%s\n' $(call shell_quote,$(1)) >$@
endef

.PHONY: FORCE
FORCE:

$(FLAGS_FILE): FORCE
	$(call keep_text,$(FLAGS_TEXT))

$(SOURCES_FILE): FORCE
	$(call keep_text,$(DATAPLANE_SRC) $(CTL_SRC) $(RULESET_SRC))

# ---- main targets ----------------------------------------------------------------------------

.PHONY: all help tests skeletons tidy
all: $(COMMAND) $(BPF_OBJ) $(MAN) $(SCHEMA)

help:
	@echo 'all         the command, the BPF objects, the man pages (default)'
	@echo 'check       unit tests, headers, layering, stack of programs, installation; no root needed'
	@echo 'check-root  program runs and scenarios in network namespaces; as root'
	@echo 'check-vm    some of it, and the kernel'\''s tunnel devices, on kernels $(VM_KERNELS) under qemu; as root'
	@echo 'lint        style: scripts/lint'
	@echo 'bench       speed, against the same path without culvert; as root'
	@echo 'demo        two sites, a tunnel, two programs; as root'
	@echo 'fuzz        builds the fuzz targets; fuzz-run runs each for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'install     below DESTDIR and PREFIX=$(PREFIX); uninstall takes the same files away'
	@echo 'clean       removes $(BUILD)/'
	@echo 'Variables:  V=1 (show commands) SAN=1 (address and undefined sanitizers) WERROR=0'
	@echo '            CC CFLAGS LDFLAGS CLANG LLVM_STRIP BPFTOOL BUILD PREFIX DESTDIR sysconfdir'

tests: $(TESTS) $(PROGRUN) $(TOOLS) $(FAULT_SHIM)
skeletons: $(SKELETONS)

# ---- BPF: source, object, skeleton -----------------------------------------------------------

# BTF stays, debug information goes.
$(OUT)/bpf/%.bpf.o: bpf/%.bpf.c $(FLAGS_FILE)
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) $(DEPEND) -c -o $@ $<
	$(Q)$(LLVM_STRIP) -g $@

# Programs of measurements, which are installed nowhere.
$(OUT)/bench/%.bpf.o: netns-tests/bench/%.bpf.c $(FLAGS_FILE)
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) $(DEPEND) -c -o $@ $<
	$(Q)$(LLVM_STRIP) -g $@

$(OUT)/bench/%.skel.h: $(OUT)/bench/%.bpf.o Makefile
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf >$@

# Not cv_NAME: the ABI has a struct cv_owner and a struct cv_tunnel. NOLINT: it is not ours to tidy.
$(OUT)/bpf/%.skel.h: $(OUT)/bpf/%.bpf.o Makefile
	$(call say,SKEL,$@)
	$(Q)(echo '/* NOLINTBEGIN */' && $(BPFTOOL) gen skeleton $< name cv_$*_bpf && \
		echo '/* NOLINTEND */') >$@

# ---- C ---------------------------------------------------------------------------------------

$(OUT)/ctl/%.o: ctl/%.c $(FLAGS_FILE)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(C_FLAGS) $(INCLUDES_CTL) $(DEPEND) -c -o $@ $<

$(OUT)/%.o: %.c $(FLAGS_FILE)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(C_FLAGS) $(INCLUDES) $(DEPEND) -c -o $@ $<

# Skeletons must be there before the first .d file says so.
$(OUT)/dataplane/object.o $(call objects,$(PROGRUN_SRC)): $(SKELETONS)
$(call objects,$(TOOL_SRC) $(PROGRUN_SRC)): $(BENCH_SKELETONS)

# Made anew each time: an archive keeps the members of sources that are gone.
define archive
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)
endef

$(LIBCULVERT): $(call objects,$(DATAPLANE_SRC)) $(SOURCES_FILE)
	$(archive)

$(LIBCTL): $(call objects,$(filter-out ctl/main.c,$(CTL_SRC))) $(SOURCES_FILE)
	$(archive)

$(LIBRULESETS): $(call objects,$(RULESET_SRC)) $(SOURCES_FILE)
	$(archive)

define link
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(L_FLAGS) -o $@ $(filter %.o %.a,$^) $(PKG_LIBS) $(1)
endef

$(COMMAND): $(OUT)/ctl/main.o $(LIBCTL) $(LIBCULVERT)
	$(call link)

# $(1): program, $(2): its source.
define test_program
$(1): $(call objects,$(2)) $(LIBCTL) $(LIBRULESETS) $(LIBCULVERT)
	$$(call link,$$(CMOCKA_LIBS))
endef
$(foreach src,$(TEST_SRC),$(eval $(call test_program,$(OUT)/tests/$(notdir $(src:.c=)),$(src))))
$(foreach src,$(PROGRUN_SRC),$(eval $(call test_program,$(OUT)/tests/progrun_$(notdir $(src:.c=)),$(src))))

$(TOOLS): $(OUT)/%: $(OUT)/netns-tests/tools/%.o $(LIBRULESETS) $(LIBCULVERT)
	$(call link)

# Preloaded into the command by tests; not sanitized: it stands between the command and the kernel.
$(FAULT_SHIM): netns-tests/faults/fault.c $(FLAGS_FILE)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE_CFLAGS) -fPIC -shared $(LDFLAGS) -o $@ $<

# ---- man pages -------------------------------------------------------------------------------

$(OUT)/man/%: docs/%.scd
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)$(SCDOC) <$< >$@

# ---- the schema of state files: the command has it -------------------------------------------

$(SCHEMA): $(COMMAND)
	$(call say,SCHEMA,$@)
	$(Q)$(COMMAND) schema >$@

# ---- tests -----------------------------------------------------------------------------------
#
# Each line of a result begins with "ok", "FAIL", "skip" or, from cmocka, "not ok"; a program's
# lines follow "== PROGRAM". scripts/check counts them.

# Runs programs $(1) one after the other, and fails at the end if one failed.
define run_programs
	@failed=0; for program in $(1); do \
		echo "== $$program"; \
		CMOCKA_MESSAGE_OUTPUT=TAP timeout $(TEST_TIMEOUT_SECONDS) $$program || \
			{ echo "FAIL $$program: exit status $$?"; failed=1; }; \
	done; exit $$failed
endef

# Makes targets $(1) one after the other, all of them even if one fails.
define run_parts
	+@failed=0; for part in $(1); do \
		$(MAKE) --no-print-directory -s $$part || failed=1; \
	done; exit $$failed
endef

# Sanitizers change nothing about the parts that only look at files.
.PHONY: check check-unit check-headers check-layering check-stack check-install
check: all $(TESTS)
	$(call run_parts,check-unit $(if $(filter 1,$(SAN)),,check-headers check-layering check-stack check-install))

check-unit: $(TESTS)
	$(call run_programs,$(TESTS))

# Each header compiles alone; those of bpf/ with all maps, of which each program declares its own.
ALL_MAPS = $(shell sed -nE 's/^\#ifdef (CV_USE_[A-Z_]+)$$/-D\1/p' bpf/maps.h | sort -u)
check-headers:
	@echo '== headers'
	@failed=0; try() { \
		header=$$1; shift; \
		if "$$@" -fsyntax-only -include $$header -x c /dev/null; then \
			echo "ok $$header compiles alone with $$1"; \
		else echo "FAIL $$header does not compile alone with $$1"; failed=1; fi; \
	}; \
	for header in $(filter-out ctl/%,$(HOST_HEADERS)); do \
		try $$header $(CC) $(C_FLAGS) $(INCLUDES); done; \
	for header in $(filter ctl/%,$(HOST_HEADERS)); do \
		try $$header $(CC) $(C_FLAGS) $(INCLUDES_CTL); done; \
	for header in $(BPF_HEADERS); do \
		try $$header $(CLANG) $(BPF_FLAGS) $(ALL_MAPS) -Wno-unused-function; done; \
	exit $$failed

check-layering:
	@scripts/lint layering

# What 6.18 loads may be too deep for 6.1.
check-stack: $(BPF_OBJ)
	@echo '== stack of BPF programs'
	@scripts/stack $^

# Installs into an empty folder; each installed object must be the one that its skeleton embeds and
# must be found in the installed command; uninstall must leave no file.
CHECK_ROOT := $(OUT)/check-install
hex = od -An -v -tx1 $(1) | tr -d ' \n'
skeleton_main = \#include <stdio.h>\n\#include "$*.skel.h"\nint main(void)\n{\n\tsize_t size;\n\tconst void *bytes = cv_$*_bpf__elf_bytes(&size);\n\treturn fwrite(bytes, 1, size, stdout) != size;\n}\n

$(OUT)/embedded/%.bpf.o: $(OUT)/bpf/%.skel.h Makefile
	@mkdir -p $(@D)
	$(Q)printf '$(skeleton_main)' >$(@D)/$*.c
	$(Q)$(CC) -D_GNU_SOURCE $(PKG_CFLAGS) $(LDFLAGS) -iquote $(OUT)/bpf -o $(@D)/$* $(@D)/$*.c $(PKG_LIBS)
	$(Q)$(@D)/$* >$@

check-install: all $(BPF_NAMES:%=$(OUT)/embedded/%.bpf.o)
	@echo '== installation'
	@rm -rf $(CHECK_ROOT) && mkdir -p $(CHECK_ROOT)
	@$(MAKE) --no-print-directory -s install DESTDIR=$(abspath $(CHECK_ROOT))
	@$(call hex,$(CHECK_ROOT)$(sbindir)/culvert) >$(OUT)/embedded/culvert.hex
	@failed=0; for name in $(BPF_NAMES); do \
		object=$(CHECK_ROOT)$(libdir)/culvert/bpf/$$name.bpf.o; \
		$(call hex,$$object) >$(OUT)/embedded/$$name.hex; \
		if ! cmp $$object $(OUT)/embedded/$$name.bpf.o; then \
			echo "FAIL installed $$name.bpf.o differs from its skeleton"; failed=1; \
		elif ! grep -qFf $(OUT)/embedded/$$name.hex $(OUT)/embedded/culvert.hex; then \
			echo "FAIL installed $$name.bpf.o is not in the installed command"; failed=1; \
		else echo "ok installed $$name.bpf.o is what the command embeds"; fi; \
	done; \
	$(MAKE) --no-print-directory -s uninstall DESTDIR=$(abspath $(CHECK_ROOT)); \
	left=$$(find $(CHECK_ROOT) ! -type d -o -name culvert); \
	if [ -n "$$left" ]; then echo "FAIL uninstall leaves" $$left; failed=1; \
	else echo 'ok uninstall leaves nothing'; fi; \
	exit $$failed

need_root = @[ "$$(id -u)" = 0 ] || { echo 'make $@ needs root: sudo make $@' >&2; exit 1; }

.PHONY: check-root check-progrun check-scenarios
check-root: all $(NEXT) $(PROGRUN) $(TOOLS) $(FAULT_SHIM)
	$(need_root)
	$(call run_parts,check-progrun check-scenarios)

check-progrun: $(PROGRUN)
	$(need_root)
	$(call run_programs,$(PROGRUN))

# How scripts learn what was built, and where.
TELL := CULVERT=$(abspath $(COMMAND)) CULVERT_BUILD=$(abspath $(OUT))

$(NEXT): $(COMMAND)
	$(Q)$(MAKE) --no-print-directory -s BUILD=$(OUT)/next SAN= \
		CFLAGS='-O0 -DCV_ABI_VERSION=2' $@

check-scenarios: all $(NEXT) $(TOOLS) $(FAULT_SHIM)
	$(need_root)
	@$(TELL) netns-tests/run

# Slow: minutes a kernel. A kernel that cannot be had is skipped, and vmtest says why.
.PHONY: check-vm
check-vm: all $(NEXT) $(PROGRUN) $(TOOLS) $(FAULT_SHIM)
	$(need_root)
	@failed=0; for kernel in $(VM_KERNELS); do \
		echo "== kernel $$kernel"; status=0; \
		$(TELL) scripts/vmtest -k $$kernel -t $(VM_TIMEOUT_SECONDS) -l tun -- \
			netns-tests/vm/run $(VM_SCENARIOS) || \
			status=$$?; \
		case $$status in 0 | 77) ;; 1) failed=1 ;; \
		*) echo "FAIL kernel $$kernel: exit status $$status"; failed=1 ;; esac; \
	done; exit $$failed

.PHONY: lint bench demo
lint:
	+@scripts/lint

bench: all $(TOOLS) $(PROGRUN) $(FAULT_SHIM)
	$(need_root)
	@$(TELL) scripts/bench

demo: all
	$(need_root)
	@$(TELL) scripts/demo

# ---- clang-tidy: one stamp a source file, so that make runs it in parallel and only on changes --

# The analyzer follows paths of a function until it has seen so many states. Its default of 225,000 takes
# four times as long, most of it in a few functions whose paths multiply.
TIDY_STATES := 60000
TIDY_COMMAND := $(CLANG_TIDY) --quiet $(addprefix --extra-arg=,-Xclang -analyzer-config -Xclang \
	max-nodes=$(TIDY_STATES))

$(OUT)/tidy/bpf/%.bpf: bpf/%.bpf.c $(OUT)/bpf/%.bpf.o .clang-tidy
	@mkdir -p $(@D)
	$(Q)$(TIDY_COMMAND) $< -- $(BPF_FLAGS)
	@touch $@

$(OUT)/tidy/ctl/%: ctl/%.c $(OUT)/ctl/%.o .clang-tidy
	@mkdir -p $(@D)
	$(Q)$(TIDY_COMMAND) $< -- $(BASE_CFLAGS) $(INCLUDES_CTL)
	@touch $@

$(OUT)/tidy/%: %.c $(OUT)/%.o .clang-tidy
	@mkdir -p $(@D)
	$(Q)$(TIDY_COMMAND) $< -- $(BASE_CFLAGS) $(INCLUDES)
	@touch $@

tidy: $(TIDY)

# ---- fuzzing: the library and the command once more, for libFuzzer ---------------------------

fuzz_objects = $(patsubst %.c,$(OUT)/fuzz/%.o,$(1))

$(OUT)/fuzz/ctl/%.o: ctl/%.c $(FLAGS_FILE)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(INCLUDES_CTL) $(DEPEND) -c -o $@ $<

$(OUT)/fuzz/%.o: %.c $(FLAGS_FILE)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link $(INCLUDES) $(DEPEND) -c -o $@ $<

$(OUT)/fuzz/dataplane/object.o: $(SKELETONS)

$(OUT)/fuzz/libculvert.a: $(call fuzz_objects,$(DATAPLANE_SRC)) $(SOURCES_FILE)
	$(archive)

$(OUT)/fuzz/libctl.a: $(call fuzz_objects,$(filter-out ctl/main.c,$(CTL_SRC))) $(SOURCES_FILE)
	$(archive)

define fuzz_program
$(OUT)/fuzz/bin/$(notdir $(1:.c=)): $(call fuzz_objects,$(1)) $(OUT)/fuzz/libctl.a $(OUT)/fuzz/libculvert.a
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(FUZZ_CC) $$(LDFLAGS) $$(SAN_FLAGS) -fsanitize=fuzzer -o $$@ $$(filter %.o %.a,$$^) $$(PKG_LIBS)
endef
$(foreach src,$(FUZZ_SRC),$(eval $(call fuzz_program,$(src))))

.PHONY: fuzz fuzz-run
fuzz: $(FUZZERS)

# What was found once stays in the corpus; a crash leaves its input beside it.
fuzz-run: $(FUZZERS)
	@failed=0; for program in $(FUZZERS); do \
		name=$${program##*/}; corpus=$(OUT)/fuzz/corpus/$$name; mkdir -p $$corpus; \
		echo "== $$name"; \
		if $$program -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 \
			-verbosity=0 -artifact_prefix=$(OUT)/fuzz/$$name- $$corpus; \
		then echo "ok $$name"; else echo "FAIL $$name: see $(OUT)/fuzz/$$name-*"; failed=1; fi; \
	done; exit $$failed

# ---- installation ----------------------------------------------------------------------------

BPF_DIR = $(libdir)/culvert/bpf
PROTOS_DIR = $(sysconfdir)/iproute2/rt_protos.d
# Must be CV_ROUTE_PROTOCOL of dataplane/culvert.h.
PROTOS_LINE := 201 culvert
man_file = $(mandir)/man$(subst .,,$(suffix $(1)))/$(notdir $(1))

# Every file that `make install` puts down, and all that `make uninstall` removes.
INSTALLED = $(sbindir)/culvert $(BPF_NAMES:%=$(BPF_DIR)/%.bpf.o) $(includedir)/culvert/abi.h \
	$(foreach page,$(MAN),$(call man_file,$(page))) $(if $(COMPLETION),$(completionsdir)/culvert) \
	$(datadir)/culvert/culvert.schema.json $(PROTOS_DIR)/culvert.conf \
	$(UNITS:docs/%.in=$(unitdir)/%)

.PHONY: install uninstall clean
install: all
	$(Q)install -D -m 755 $(COMMAND) $(DESTDIR)$(sbindir)/culvert
	$(Q)install -d $(DESTDIR)$(BPF_DIR)
	$(Q)install -m 644 $(BPF_OBJ) $(DESTDIR)$(BPF_DIR)
	$(Q)install -D -m 644 bpf/abi.h $(DESTDIR)$(includedir)/culvert/abi.h
	$(Q)$(foreach page,$(MAN),install -D -m 644 $(page) $(DESTDIR)$(call man_file,$(page)) &&) :
	$(Q)$(if $(COMPLETION),install -D -m 644 $(COMPLETION) $(DESTDIR)$(completionsdir)/culvert,:)
	$(Q)install -D -m 644 $(SCHEMA) $(DESTDIR)$(datadir)/culvert/culvert.schema.json
	$(Q)install -d $(DESTDIR)$(unitdir)
	$(Q)$(foreach unit,$(UNITS),sed -e 's,@sbindir@,$(sbindir),g' -e 's,@sysconfdir@,$(sysconfdir),g' \
		$(unit) >$(DESTDIR)$(unitdir)/$(notdir $(unit:.in=)) &&) :
	$(Q)install -d $(DESTDIR)$(PROTOS_DIR)
	$(Q)echo '$(PROTOS_LINE)' >$(DESTDIR)$(PROTOS_DIR)/culvert.conf

# Folders that are culvert's alone go when they are empty.
uninstall:
	$(Q)rm -f $(INSTALLED:%=$(DESTDIR)%)
	$(Q)for dir in $(BPF_DIR) $(libdir)/culvert $(includedir)/culvert $(datadir)/culvert; do \
		! [ -d $(DESTDIR)$$dir ] || rmdir --ignore-fail-on-non-empty $(DESTDIR)$$dir; done

clean:
	$(Q)rm -rf $(BUILD)

# ---- dependencies found by the compilers -----------------------------------------------------

-include $(patsubst %.o,%.d,$(BPF_OBJ) $(BENCH_SKELETONS:%.skel.h=%.bpf.o) $(call objects,$(DATAPLANE_ALL) $(CTL_ALL) $(RULESET_ALL) $(PROGRUN_SRC) $(TOOL_SRC)))
-include $(patsubst %.o,%.d,$(call fuzz_objects,$(DATAPLANE_ALL) $(CTL_ALL)))
