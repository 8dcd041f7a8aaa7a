# SPDX-License-Identifier: GPL-2.0-or-later
VERSION = 0.1.0

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

SOURCES = $(wildcard helper/*.c)
MAN8 = helper/tmpfsroot.8
MAN7 = helper/tmpfsroot.cmdline.7
TOOLS = $(patsubst tests/tools/%.c,build/tools/%,$(wildcard tests/tools/*.c))
DRACUT = $(wildcard modules.d/50tmpfsroot/*)
INITCPIO = $(patsubst hooks/mkinitcpio/%,%,$(wildcard hooks/mkinitcpio/*/*))
INITRAMFS_TOOLS = $(shell cd hooks/initramfs-tools && find * -type f)
FUZZ = $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/*.c))
UNIT = $(patsubst tests/unit/%.c,build/unit/%,$(wildcard tests/unit/*.c))

all: build/tmpfsroot
static: build/static/tmpfsroot

build/tmpfsroot: $(SOURCES:helper/%.c=build/%.o)
	$(BUILD) $(LDFLAGS) -o $@ $^ $(LDLIBS)

build/static/tmpfsroot: $(SOURCES:helper/%.c=build/static/%.o)
	$(BUILD) $(LDFLAGS) -static -o $@ $^ $(LDLIBS)

build/%.o: helper/%.c build/flags
	$(BUILD) -MMD -MP -c -o $@ $<

build/static/%.o: helper/%.c build/static/flags
	$(BUILD) -MMD -MP -c -o $@ $<

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
	$(BUILD) -static -o $@ $<

# For ThreadSanitizer, which has no static program.
build/thread/tmpfsroot: $(SOURCES) $(wildcard helper/*.h)
	@mkdir -p $(@D)
	$(BUILD) -fsanitize=thread -o $@ $(SOURCES) $(LDLIBS)

# The address and undefined behaviour sanitizers, of helper and unit tests.
ASAN = $(BUILD) -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
build/asan/tmpfsroot: tests/asan/start.c $(SOURCES) $(wildcard helper/*.h)
	@mkdir -p $(@D)
	$(ASAN) -static-libasan -static-libubsan -o $@ $(filter %.c,$^)

build/asan/unit/%: tests/unit/%.c $(SOURCES) $(wildcard helper/*.h)
	@mkdir -p $(@D)
	$(ASAN) -Ihelper -o $@ $< $(filter-out helper/main.c,$(SOURCES)) -lcmocka

# valgrind 3.27 knows the helper's calls, 3.24 does not; its programs are static, and run on any release. The
# launcher has the helper's name.
build/valgrind/memcheck:
	@mkdir -p $(@D)
	tests/debian --variant=extract --include=valgrind forky build/valgrind/tree
	cp build/valgrind/tree/usr/libexec/valgrind/memcheck-$(shell dpkg --print-architecture)-linux $@

build/valgrind/tmpfsroot: tests/valgrind/launch.c build/static/tmpfsroot build/valgrind/memcheck
	mkdir -p -m 1777 build/valgrind/helper/tmp
	cp build/static/tmpfsroot build/valgrind/helper/tmpfsroot
	for name in switch_root run-init; do ln -sf tmpfsroot build/valgrind/helper/$$name || exit; done
	$(BUILD) -static -o $@ $<

# gcov's counters, which are kept where the namespace tests boot, too. The libc is the one of the program
# that is shipped, and so are the calls that it makes.
GCOV = $(STANDARD) -DTMPFSROOT_VERSION='"$(VERSION)"' -g -O0 --coverage -fprofile-update=atomic -fdata-sections -Ihelper
build/coverage/%.o: helper/%.c $(wildcard helper/*.h)
	@mkdir -p $(@D)
	musl-gcc $(GCOV) -c -o $@ $(CURDIR)/$<

build/coverage/tmpfsroot: tests/coverage/counters.c tests/coverage/counters.ld $(SOURCES:helper/%.c=build/coverage/%.o)
	musl-gcc $(STANDARD) -static -Wl,--wrap=__gcov_exit -Wl,-T,tests/coverage/counters.ld -o $@ $(filter-out %.ld,$^) -lgcov

build/coverage/unit/%.o: helper/%.c $(wildcard helper/*.h)
	@mkdir -p $(@D)
	$(CC) $(GCOV) -c -o $@ $(CURDIR)/$<

build/coverage/unit/%: tests/unit/%.c $(patsubst helper/%.c,build/coverage/unit/%.o,$(filter-out helper/main.c,$(SOURCES)))
	$(CC) $(STANDARD) -Ihelper -o $@ $^ -lcmocka -lgcov

build/unit/%: tests/unit/%.c $(filter-out build/main.o,$(SOURCES:helper/%.c=build/%.o))
	@mkdir -p $(@D)
	$(BUILD) -Ihelper $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)

# For libFuzzer, the address and the undefined behaviour sanitizer: clang's.
build/fuzz/%: tests/fuzz/%.c tests/fuzz/fuzz.h $(SOURCES) $(wildcard helper/*.h)
	@mkdir -p $(@D)
	clang $(STANDARD) -DTMPFSROOT_VERSION='"$(VERSION)"' -g -O1 $(WARNINGS) -fno-sanitize-recover=all \
		-fsanitize=fuzzer,address,undefined -Ihelper -o $@ $< $(filter-out helper/main.c,$(SOURCES))

install: all
	$(INSTALL) -D -m 0755 build/tmpfsroot $(DESTDIR)$(bindir)/tmpfsroot
	$(INSTALL) -D -m 0644 $(MAN8) $(DESTDIR)$(mandir)/man8/tmpfsroot.8
	$(INSTALL) -D -m 0644 $(MAN7) $(DESTDIR)$(mandir)/man7/tmpfsroot.cmdline.7
	$(INSTALL) -D -m 0644 helper/tmpfsroot.bash $(DESTDIR)$(completionsdir)/tmpfsroot
	for name in switch_root run-init; do ln -sf tmpfsroot $(DESTDIR)$(completionsdir)/$$name || exit; done
	$(INSTALL) -D -m 0644 helper/tmpfsroot.conf $(DESTDIR)$(prefix)/share/doc/tmpfsroot/tmpfsroot.conf.example
	$(INSTALL) -D -m 0644 modules.d/dracut.conf $(DESTDIR)$(prefix)/share/doc/tmpfsroot/dracut.conf.example
	$(INSTALL) -D -m 0755 -t $(DESTDIR)$(dracutmodulesdir)/50tmpfsroot $(filter %.sh,$(DRACUT))
	$(INSTALL) -m 0644 -t $(DESTDIR)$(dracutmodulesdir)/50tmpfsroot $(filter-out %.sh,$(DRACUT))
	for file in $(INITCPIO); do $(INSTALL) -D -m 0644 hooks/mkinitcpio/$$file $(DESTDIR)$(initcpiodir)/$$file || exit; done
	for file in $(INITRAMFS_TOOLS); do $(INSTALL) -D -m 0755 hooks/initramfs-tools/$$file $(DESTDIR)$(initramfstoolsdir)/$$file || exit; done

deps:
	tests/deps all

demo:
	tests/deps demo
	$(MAKE) static CC=musl-gcc
	tests/vm/demo

# What runs unattended, but for four files of machines, which check-vm has: other architectures, images of dracut that
# fail, images of installed packages, and memory down to where the move is refused. The quick tests need no machine.
PROVE = CMOCKA_MESSAGE_OUTPUT=TAP prove --timer --failures --comments --exec ''
SLOW = $(addprefix tests/ns/,$(addsuffix .bats,bench faults giveback hostile progress realroot scale threads))
QUICK = $(UNIT) $(filter-out $(SLOW),$(wildcard tests/ns/*.bats)) $(wildcard tests/hooks/*.bats)
VM = $(wildcard tests/vm/*.bats)
APART = $(addprefix tests/vm/,$(addsuffix .bats,cross dracut-failures memory package-images))

check: deps
	$(MAKE) lint programs $(FUZZ)
	$(PROVE) $(QUICK) $(SLOW) tests/fuzz/run $(filter-out $(APART),$(VM))

check-quick:
	tests/deps quick
	$(MAKE) programs
	$(PROVE) $(QUICK)

# What a package's build runs: nothing of it needs root, nor a kernel of its own.
check-build: all $(UNIT)
	$(PROVE) $(UNIT) $(wildcard tests/hooks/*.bats)

check-vm:
	tests/deps vm
	$(MAKE) programs
	$(PROVE) $(VM)

# More namespace tests on machines of other architectures than check-vm has.
check-cross:
	tests/deps vm
	$(MAKE) programs
	TMPFSROOT_CROSS=all $(PROVE) tests/vm/cross.bats

# Unit and namespace tests, with the sanitizers and in valgrind: those that move, and that let it fail.
# With the sanitizers open() is openat(), and malloc() is theirs: with a point more there are as many faults to make.
COVERS = $(filter-out $(addprefix tests/ns/,$(addsuffix .bats,bench documents scale threads)),$(wildcard tests/ns/*.bats))
MOVES = $(COVERS) tests/ns/scale.bats
check-asan:
	tests/deps quick
	$(MAKE) programs build/asan/tmpfsroot $(UNIT:build/%=build/asan/%)
	$(PROVE) $(UNIT:build/%=build/asan/%)
	FAULT_POINTS=4 ASAN_OPTIONS=detect_leaks=0:handle_segv=0 TMPFSROOT_TEST_HELPER=$(CURDIR)/build/asan/tmpfsroot $(PROVE) $(MOVES)

check-valgrind:
	tests/deps quick valgrind
	$(MAKE) programs
	$(MAKE) build/valgrind/tmpfsroot CC=musl-gcc
	CMOCKA_MESSAGE_OUTPUT=TAP VALGRIND_LAUNCHER=/proc/self/exe VALGRIND_LIB=build/valgrind/tree/usr/libexec/valgrind \
		prove --timer --exec 'build/valgrind/memcheck -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite' $(UNIT)
	TMPFSROOT_TEST_MEMCHECK=$(CURDIR)/build/valgrind $(PROVE) $(MOVES)

# What unit tests and the namespace tests that move reach of the helper, with a point more for each fault than
# check has. The manual pages' commands and the sizes are of the program that is shipped.
coverage:
	tests/deps quick coverage
	rm -rf build/coverage
	$(MAKE) programs build/coverage/tmpfsroot $(UNIT:build/%=build/coverage/%)
	$(PROVE) $(UNIT:build/%=build/coverage/%)
	FAULT_POINTS=4 TMPFSROOT_TEST_HELPER=$(CURDIR)/build/coverage/tmpfsroot $(PROVE) $(COVERS) 9<>build/coverage/counters; status=$$?; \
		TMPFSROOT_COUNTERS=write build/coverage/tmpfsroot 9<>build/coverage/counters && exit $$status
	gcovr --root . --filter helper/ --branches build/coverage | sed -n '/^TOTAL/p'
	gcovr --root . --filter helper/ --json - build/coverage | tests/coverage/unreached
	gcovr --root . --filter helper/ --fail-under-line 90 build/coverage

# 50 boots in a row, all the same.
soak:
	tests/deps vm
	$(MAKE) programs
	$(PROVE) tests/soak/soak.bats

# Each parser for a minute.
fuzz:
	tests/deps fuzz
	$(MAKE) all static CC=musl-gcc $(FUZZ)
	FUZZ_SECONDS=60 tests/fuzz/run

# Performance is shown, never tested: ratios in one run against cp, tar, cpio, rsync.
bench:
	tests/deps bench
	$(MAKE) static CC=musl-gcc
	tests/bench/bench

bench-figures:
	tests/deps bench
	$(MAKE) static CC=musl-gcc
	tests/bench/draw

# The sources of the last commit, and packages of them, each in build/ by its name.
dist:
	packaging/dist build

deb: dist
rpm: dist
arch: dist
deb rpm arch:
	packaging/build $@ build/tmpfsroot-$(VERSION).tar.gz build/$@

programs: all tools $(UNIT) build/thread/tmpfsroot
	$(MAKE) static CC=musl-gcc

lint:
	tests/deps lint
	tests/lint

clean:
	rm -rf build

-include $(wildcard build/*.d build/static/*.d)

FORCE:
.PHONY: all static tools install deps demo check check-quick check-build check-vm check-cross check-asan check-valgrind \
	coverage fuzz soak dist deb rpm arch bench bench-figures programs lint clean FORCE
