# SPDX-License-Identifier: GPL-2.0-or-later
VERSION = 0.2.0

prefix = /usr
bindir = $(prefix)/bin
mandir = $(prefix)/share/man
completionsdir = $(prefix)/share/bash-completion/completions
dracutmodulesdir = $(prefix)/lib/dracut/modules.d
initcpiodir = $(prefix)/lib/initcpio
initramfstoolsdir = $(prefix)/share/initramfs-tools
INSTALL = install

CC = cc
CFLAGS = -Os -g
# Where it was built is not in what is built, unless a packager's tools have their own way, as RPM's do.
PLACE = -ffile-prefix-map=$(CURDIR)=.
WARNINGS = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
STANDARD = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -pthread $(PLACE)
BUILD = $(CC) $(STANDARD) -DTMPFSROOT_VERSION='"$(VERSION)"' $(CPPFLAGS) $(CFLAGS) $(WARNINGS)

# Counters of 64 bits, where the processor has no instruction for them (armel, mips, powerpc): from the
# archive, so that there is no library more to depend on.
LDLIBS := $(shell $(CC) $(CFLAGS) -dM -E -x c /dev/null | grep -q COMPARE_AND_SWAP_8 || echo -l:libatomic.a)

# A line for each thing that is made; "make V=1" shows the commands.
say = $(if $(V),,@echo '  $(1)	$(2)';)
MAKEFLAGS += --no-print-directory

SOURCES = $(wildcard helper/*.c)
MAN8 = helper/tmpfsroot.8
MAN7 = helper/tmpfsroot.cmdline.7 helper/tmpfsroot.recipes.7
TOOLS = $(patsubst tests/tools/%.c,build/tools/%,$(wildcard tests/tools/*.c))
DRACUT = $(wildcard modules.d/50tmpfsroot/*)
INITCPIO = $(patsubst hooks/mkinitcpio/%,%,$(wildcard hooks/mkinitcpio/*/*))
INITRAMFS_TOOLS = $(shell cd hooks/initramfs-tools && find * -type f)
FUZZ = $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/*.c))
UNIT = $(patsubst tests/unit/%.c,build/unit/%,$(wildcard tests/unit/*.c))

all: build/tmpfsroot
static: build/static/tmpfsroot

build/tmpfsroot: $(SOURCES:helper/%.c=build/%.o)
	$(call say,LD,$@)$(BUILD) $(LDFLAGS) -o $@ $^ $(LDLIBS)

build/static/tmpfsroot: $(SOURCES:helper/%.c=build/static/%.o)
	$(call say,LD,$@)$(BUILD) $(LDFLAGS) -static -o $@ $^ $(LDLIBS)

build/%.o: helper/%.c build/flags
	$(call say,CC,$<)$(BUILD) -MMD -MP -c -o $@ $<

build/static/%.o: helper/%.c build/static/flags
	$(call say,CC,$<)$(BUILD) -MMD -MP -c -o $@ $<

# Small: without what nobody calls, tables for unwinding, which C does not do, padding to pages and between
# data; and nothing in it is relocated. The sorting that saves the padding is ld.bfd's and ld.lld's; ld.gold
# does not know it.
build/static/%: private CFLAGS += -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-pie
build/static/%: private LDFLAGS += -Wl,--gc-sections -Wl,--sort-section=alignment -Wl,-z,noseparate-code -no-pie

# Rewritten only where compiler or flags have changed: then all is built anew.
build/flags build/static/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(BUILD))' | cmp -s - $@ || echo '$(subst ','\'',$(BUILD))' >$@

# Programs of the tests. The tools run in guests; the unit tests link all steps of a boot but main.
tools: $(TOOLS)
build/tools/%: tests/tools/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(BUILD) -static -o $@ $<

# For ThreadSanitizer, which has no static program.
build/thread/tmpfsroot: $(SOURCES) $(wildcard helper/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(BUILD) -fsanitize=thread -o $@ $(SOURCES) $(LDLIBS)

# The address and undefined behaviour sanitizers, of helper and unit tests.
ASAN = $(BUILD) -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
build/asan/tmpfsroot: tests/asan/start.c $(SOURCES) $(wildcard helper/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(ASAN) -static-libasan -static-libubsan -o $@ $(filter %.c,$^)

build/asan/unit/%: tests/unit/%.c $(SOURCES) $(wildcard helper/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(ASAN) -Ihelper -o $@ $< $(filter-out helper/main.c,$(SOURCES)) -lcmocka

# valgrind 3.27 knows the helper's calls, 3.24 does not; its programs are static, and run on any release. The
# launcher has the helper's name.
build/valgrind/memcheck:
	@mkdir -p $(@D)
	$(call say,GET,$@)tests/debian --variant=extract --include=valgrind forky build/valgrind/tree
	@cp build/valgrind/tree/usr/libexec/valgrind/memcheck-$(shell dpkg --print-architecture)-linux $@

build/valgrind/tmpfsroot: tests/valgrind/launch.c build/static/tmpfsroot build/valgrind/memcheck
	@mkdir -p -m 1777 build/valgrind/helper/tmp
	@cp build/static/tmpfsroot build/valgrind/helper/tmpfsroot
	@for name in switch_root run-init; do ln -sf tmpfsroot build/valgrind/helper/$$name || exit; done
	$(call say,CC,$<)$(BUILD) -static -o $@ $<

# gcov's counters, which are kept where the namespace tests boot, too. The libc is the one of the program
# that is shipped, and so are the calls that it makes.
GCOV = $(STANDARD) -DTMPFSROOT_VERSION='"$(VERSION)"' -g -O0 --coverage -fprofile-update=atomic -fdata-sections -Ihelper
build/coverage/%.o: helper/%.c $(wildcard helper/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)musl-gcc $(GCOV) -c -o $@ $(CURDIR)/$<

build/coverage/tmpfsroot: tests/coverage/counters.c tests/coverage/counters.ld $(SOURCES:helper/%.c=build/coverage/%.o)
	$(call say,LD,$@)musl-gcc $(STANDARD) -static -Wl,--wrap=__gcov_exit -Wl,-T,tests/coverage/counters.ld -o $@ $(filter-out %.ld,$^) -lgcov

build/coverage/unit/%.o: helper/%.c $(wildcard helper/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(GCOV) -c -o $@ $(CURDIR)/$<

build/coverage/unit/%: tests/unit/%.c $(patsubst helper/%.c,build/coverage/unit/%.o,$(filter-out helper/main.c,$(SOURCES)))
	$(call say,LD,$@)$(CC) $(STANDARD) -Ihelper -o $@ $^ -lcmocka -lgcov

build/unit/%: tests/unit/%.c $(filter-out build/main.o,$(SOURCES:helper/%.c=build/%.o))
	@mkdir -p $(@D)
	$(call say,CC,$<)$(BUILD) -Ihelper $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

# For libFuzzer, the address and the undefined behaviour sanitizer: clang's.
build/fuzz/%: tests/fuzz/%.c tests/fuzz/fuzz.h $(SOURCES) $(wildcard helper/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$<)clang $(STANDARD) -DTMPFSROOT_VERSION='"$(VERSION)"' -g -O1 $(WARNINGS) -fno-sanitize-recover=all \
		-fsanitize=fuzzer,address,undefined -Ihelper -o $@ $< $(filter-out helper/main.c,$(SOURCES))

install: all
	$(INSTALL) -D -m 0755 build/tmpfsroot $(DESTDIR)$(bindir)/tmpfsroot
	$(INSTALL) -D -m 0644 $(MAN8) $(DESTDIR)$(mandir)/man8/tmpfsroot.8
	$(INSTALL) -d $(DESTDIR)$(mandir)/man7
	$(INSTALL) -m 0644 -t $(DESTDIR)$(mandir)/man7 $(MAN7)
	$(INSTALL) -D -m 0644 helper/tmpfsroot.bash $(DESTDIR)$(completionsdir)/tmpfsroot
	for name in switch_root run-init; do ln -sf tmpfsroot $(DESTDIR)$(completionsdir)/$$name || exit; done
	$(INSTALL) -D -m 0644 helper/tmpfsroot.conf $(DESTDIR)$(prefix)/share/doc/tmpfsroot/tmpfsroot.conf.example
	$(INSTALL) -D -m 0644 modules.d/50-tmpfsroot.conf $(DESTDIR)$(prefix)/share/doc/tmpfsroot/50-tmpfsroot.conf
	$(INSTALL) -D -m 0755 -t $(DESTDIR)$(dracutmodulesdir)/50tmpfsroot $(filter %.sh,$(DRACUT))
	$(INSTALL) -m 0644 -t $(DESTDIR)$(dracutmodulesdir)/50tmpfsroot $(filter-out %.sh,$(DRACUT))
	for file in $(INITCPIO); do $(INSTALL) -D -m 0644 hooks/mkinitcpio/$$file $(DESTDIR)$(initcpiodir)/$$file || exit; done
	for file in $(INITRAMFS_TOOLS); do $(INSTALL) -D -m 0755 hooks/initramfs-tools/$$file $(DESTDIR)$(initramfstoolsdir)/$$file || exit; done

deps:
	tests/deps check

demo:
	tests/deps demo
	@$(MAKE) static CC=musl-gcc
	@tests/vm/demo

# The tests, by what tests/list names for each target:
#
#   check-quick  lint apart, all that needs no virtual machine: unit and namespace tests, a fault of each call
#   check        the whole product once, on Debian 13: the same, lint, packages, and machines
#   check-all    every cell of every matrix: Debian 12, 13 and forky, more faults, all that check leaves out, other
#                architectures, sanitizers, memcheck, coverage, fuzzing, boots in a row
#   fuzz         each parser for a minute
#   lint         format, static analysis, man pages, and whether the documents name what the program knows
#
# ONLY= is a regular expression of what is run of them: make check-all ONLY=packages. Two machines run at a time
# where there are two processors. What is skipped, or left to check-all, is shown with the reason.
PROVE = CMOCKA_MESSAGE_OUTPUT=TAP prove --timer --directives --failures --comments --jobs $$(nproc) --exec 'sh -c'
run = tests/list $(1) | grep -E -e '$(or $(ONLY),.)' >build/list && $(PROVE) - <build/list

check-quick:
	@tests/deps quick
	@$(MAKE) -j $$(nproc) programs
	@echo "Left to check: lint, packages, and all machines; to check-all what is said below to be."
	@$(call run,quick)

check:
	@tests/deps check
	@$(MAKE) -j $$(nproc) programs
	@echo "Left to check-all: Debian 12 and forky, more faults of each call, other architectures, images of installed"
	@echo "packages, sanitizers, memcheck, coverage, fuzzing, boots in a row, and what is said below to be."
	@$(call run,check)

check-all:
	@tests/deps all
	@$(MAKE) -j $$(nproc) programs build/asan/tmpfsroot $(UNIT:build/%=build/asan/%) \
		build/coverage/tmpfsroot $(UNIT:build/%=build/coverage/%) $(FUZZ)
	@$(MAKE) build/valgrind/tmpfsroot CC=musl-gcc
	@echo "Left out: mkinitcpio for Debian 12 and forky, since it is another distribution's; make bench, which"
	@echo "is no test."
	@export CHECK_ALL=yes; $(call run,all)

# What a package's build runs: nothing of it needs root, nor a kernel of its own.
check-build: all $(UNIT)
	@printf '%s\n' $(UNIT) tests/hooks/*.bats | $(PROVE) -

# Each parser for a minute.
fuzz:
	@tests/deps fuzz
	@$(MAKE) $(FUZZ)
	@FUZZ_SECONDS=60 tests/fuzz/run

# Performance is shown, never tested: ratios in one run against cp, tar, cpio, rsync.
bench:
	@tests/deps bench
	@$(MAKE) static CC=musl-gcc
	@tests/bench/bench

bench-figures:
	@tests/deps bench
	@$(MAKE) static CC=musl-gcc
	@tests/bench/draw

# The sources of the last commit, and packages of them, each in build/ by its name.
dist:
	packaging/dist build

deb: dist
rpm: dist
arch: dist
deb rpm arch:
	packaging/build $@ build/tmpfsroot-$(VERSION).tar.gz build/$@

# The static program is musl's: small, and the one that the tests boot.
programs: all tools $(UNIT) build/thread/tmpfsroot
	@$(MAKE) static CC=musl-gcc

lint:
	@tests/deps lint
	@tests/lint

clean:
	rm -rf build

-include $(wildcard build/*.d build/static/*.d)

FORCE:
.SECONDARY:
.PHONY: all static tools install deps demo check-quick check check-all check-build fuzz dist deb rpm arch bench \
	bench-figures programs lint clean FORCE
