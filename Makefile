# SPDX-License-Identifier: GPL-2.0-or-later
VERSION = 0.1.0

prefix = /usr
bindir = $(prefix)/bin
mandir = $(prefix)/share/man
completionsdir = $(prefix)/share/bash-completion/completions
INSTALL = install

CC = cc
CFLAGS = -Os -g
WARNINGS = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
STANDARD = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -pthread
BUILD = $(CC) $(STANDARD) -DTMPFSROOT_VERSION='"$(VERSION)"' $(CPPFLAGS) $(CFLAGS) $(WARNINGS)

SOURCES = $(wildcard helper/*.c)
MAN8 = helper/tmpfsroot.8
MAN7 = helper/tmpfsroot.cmdline.7
TOOLS = $(patsubst tests/tools/%.c,build/tools/%,$(wildcard tests/tools/*.c))
UNIT = $(patsubst tests/unit/%.c,build/unit/%,$(wildcard tests/unit/*.c))

all: build/tmpfsroot
static: build/static/tmpfsroot

build/tmpfsroot: $(SOURCES:helper/%.c=build/%.o)
	$(BUILD) $(LDFLAGS) -o $@ $^

build/static/tmpfsroot: $(SOURCES:helper/%.c=build/static/%.o)
	$(BUILD) $(LDFLAGS) -static -o $@ $^

build/%.o: helper/%.c build/flags
	$(BUILD) -MMD -MP -c -o $@ $<

build/static/%.o: helper/%.c build/static/flags
	$(BUILD) -MMD -MP -c -o $@ $<

# Rewritten only where compiler or flags have changed: then all is built anew.
build/flags build/static/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(BUILD))' | cmp -s - $@ || echo '$(subst ','\'',$(BUILD))' >$@

# Programs of the tests. The tools run in guests; the unit tests link all steps of a boot but main.
tools: $(TOOLS)
build/tools/%: tests/tools/%.c
	@mkdir -p $(@D)
	$(BUILD) -static -o $@ $<

build/unit/%: tests/unit/%.c $(filter-out build/main.o,$(SOURCES:helper/%.c=build/%.o))
	@mkdir -p $(@D)
	$(BUILD) -Ihelper -o $@ $^ -lcmocka

install: all
	$(INSTALL) -D -m 0755 build/tmpfsroot $(DESTDIR)$(bindir)/tmpfsroot
	$(INSTALL) -D -m 0644 $(MAN8) $(DESTDIR)$(mandir)/man8/tmpfsroot.8
	$(INSTALL) -D -m 0644 $(MAN7) $(DESTDIR)$(mandir)/man7/tmpfsroot.cmdline.7
	$(INSTALL) -D -m 0644 helper/tmpfsroot.bash $(DESTDIR)$(completionsdir)/tmpfsroot
	$(INSTALL) -D -m 0644 helper/tmpfsroot.conf $(DESTDIR)$(prefix)/share/doc/tmpfsroot/tmpfsroot.conf.example

deps:
	tests/deps all

demo:
	tests/deps demo
	$(MAKE) static CC=musl-gcc
	tests/vm/demo

# All that runs unattended. The quick tests need no virtual machine.
PROVE = CMOCKA_MESSAGE_OUTPUT=TAP prove --timer --exec ''
SLOW = tests/ns/giveback.bats tests/ns/realroot.bats
QUICK = $(UNIT) $(filter-out $(SLOW),$(wildcard tests/ns/*.bats))
VM_LONG = tests/vm/bind.bats tests/vm/memory.bats
VM = $(filter-out $(VM_LONG),$(wildcard tests/vm/*.bats))

check: deps
	$(MAKE) lint programs
	$(PROVE) $(QUICK) $(SLOW) $(VM)

check-quick:
	tests/deps quick
	$(MAKE) programs
	$(PROVE) $(QUICK)

check-vm:
	tests/deps vm
	$(MAKE) programs
	$(PROVE) $(VM)

# Not part of check: one of them shows a fault, Linux 7.2 runs out of memory with a file of 90 % of it.
check-vm-long:
	tests/deps vm
	$(MAKE) programs
	$(PROVE) $(VM_LONG)

# Performance is shown, never tested: ratios in one run against cp, tar, cpio, rsync.
bench bench-figures:
	$(MAKE) static CC=musl-gcc
	tests/bench/$(if $(filter bench,$@),bench,draw)

programs: all tools $(UNIT)
	$(MAKE) static CC=musl-gcc

lint:
	tests/deps lint
	tests/lint

clean:
	rm -rf build

-include $(wildcard build/*.d build/static/*.d)

FORCE:
.PHONY: all static tools install deps demo check check-quick check-vm check-vm-long bench bench-figures programs lint clean FORCE
