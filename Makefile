# SPDX-License-Identifier: GPL-2.0
#
# The commands of this project; "make" alone lists them. The module's objects are named in Kbuild, the work is done by
# scripts/.

MAKEFLAGS += --no-print-directory
KVER ?= $(shell uname -r)
KDIR ?= /usr/src/dst-linux-$(KVER)
kernel_cc = $(or $(shell sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ "]*\).*/\1/p' $(KDIR)/.config 2>/dev/null),gcc)
kernel_make = $(MAKE) -C $(KDIR) M=$(CURDIR) CC=$(kernel_cc)
T ?=
N ?= 30000
KERNEL ?= stock

.PHONY: help
help: ## Show this list
	@echo 'DST: one block device from the disks of several machines. What make can do here:'
	@echo
	@awk -F ':.*## ' '/^[a-z_-]+:.*## /{ printf "  make %-18s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'Variables: T=name (one test), KERNEL=stock, meta, debug or kcsan, N=rounds (soak), DST_CACHE=folder, KVER, KDIR.'

.PHONY: setup update
setup: ## Prepare compilers, guest system and kernel in the cache (about 5 minutes, once)
	@scripts/setup
update: ## The same with the newest kernel and packages that the mirror has
	@scripts/setup --update

.PHONY: module dst build
build: module dst ## Build the module and the program
module: ## Build the modules for the guests' kernel: build/RELEASE/*.ko
	@scripts/setup --quiet $(KERNEL)
	@scripts/build-module $(KERNEL)
dst: ## Build the static program: build/dst
	@scripts/setup --quiet
	@scripts/build-dst

.PHONY: demo
demo: ## Three virtual machines form one disk with a filesystem on it
	@scripts/demo

.PHONY: test test-host test-guest test-machines test-debug test-kcsan
test: ## Run every test (T=name for one; CI=1 adds some on the debug kernel)
	@tests/run $(if $(CI),--ci) $(T)
test-host: ## Run what needs no virtual machine: format, lints, layers, unit and property tests
	@tests/run --host $(T)
test-guest: ## Run the tests of the module in guests
	@tests/run --guest $(T)
test-machines: ## Run the tests that take several virtual machines
	@tests/run --machines $(T)
test-debug: ## Run the guest tests on a kernel that checks itself (builds it once, about 20 minutes)
	@tests/run --debug $(T)
test-kcsan: ## Run some guest tests on a kernel that looks for data races (builds it once, about 20 minutes)
	@tests/run --kcsan $(T)

.PHONY: sim
sim: ## The protocol in simulated worlds (WORLD=migration, SEEDS=4000, SEED=one with a trace, MUTATE=variant, list or all)
	@scripts/simulate $(if $(WORLD),--world $(WORLD)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SEED),--seed $(SEED)) $(if $(MUTATE),--mutate $(MUTATE))

# soak_guest(TEST,ROUNDS,SECONDS): a guest test with many rounds.
soak_guest = ROUNDS=$${ROUNDS:-$(2)} SEED=$${SEED:-$$(shuf -i 1-1000000000 -n 1)} DST_LIMIT=$${DST_LIMIT:-$(3)} \
	tests/run --guest $(1)
.PHONY: soak soak-power-cut soak-migrate-crash soak-loom
soak: ## Filesystem rounds at native speed in user-mode Linux (N=30000)
	@tests/soak/run $(N)
soak-power-cut: ## Power cuts of storage machines, many of them (ROUNDS=100, SEED=number)
	@ROUNDS=$${ROUNDS:-100} SEED=$${SEED:-$$(shuf -i 1-1000000000 -n 1)} tests/run --machines power-cut
soak-migrate-crash: ## Power cuts of the owner and of storage machines while nodes move (ROUNDS=60, SEED=number)
	@ROUNDS=$${ROUNDS:-60} SEED=$${SEED:-$$(shuf -i 1-1000000000 -n 1)} tests/run --machines migrate-crash
.PHONY: soak-faults soak-netem soak-resets soak-reconnects soak-netns soak-two-clients
soak-faults: soak-netem soak-resets soak-reconnects soak-netns soak-two-clients ## These five, one after the other
soak-netem: ## Loss, reordering, delay, and no network for minutes (ROUNDS=10, DOWN=150, SEED=number)
	@DOWN=$${DOWN:-150} $(call soak_guest,netem,10,14400)
soak-resets: ## Connections reset at every byte of each message (ROUNDS=3, SEED=number)
	@$(call soak_guest,resets,3,14400)
soak-reconnects: ## Reconnects without a leak (ROUNDS=1000, SEED=number)
	@$(call soak_guest,reconnects,1000,7200)
soak-netns: ## CPUs that go and come back, and network namespaces that are deleted (ROUNDS=100, SEED=number)
	@$(call soak_guest,netns,100,7200)
soak-two-clients: ## Takeovers and exchanged addresses (ROUNDS=20, SEED=number)
	@$(call soak_guest,two-clients,20,14400)
soak-loom: ## The executor's models with more preemptions than in "make test" (MORE=1)
	@DST_LOOM_MORE=$${MORE:-1} scripts/cargo test -p executor-model -- --nocapture

.PHONY: bench bench-echo
bench: bench-echo ## Run every benchmark
bench-echo: ## Instructions per echo message: dst_echo against epoll in user space
	@tests/bench/echo/run

.PHONY: shell fmt lint
shell: build ## A shell in a guest that has the module and the program
	@scripts/vm --shell
fmt: ## Format the Rust sources
	@scripts/check-format --write
lint: ## Format, layer rules and lints, without the tests
	@tests/run --lint

.PHONY: modules modules_install modules_clean
modules: ## Build for this machine's own kernel (after scripts/prepare-kernel-headers)
	@test -e $(KDIR)/.dst-prepared || { echo 'run scripts/prepare-kernel-headers $(KVER) first' >&2; exit 1; }
	$(kernel_make) modules
modules_install: ## Install what "make modules" built
	$(kernel_make) modules_install
	depmod $(KVER)
modules_clean: ## Remove what "make modules" built
	$(kernel_make) clean

.PHONY: install uninstall
# What "cargo build" or "make dst" made.
PROGRAM ?= $(firstword $(wildcard target/release/dst build/dst))
PREFIX ?= /usr/local
sbindir = $(PREFIX)/sbin
libexecdir = $(PREFIX)/libexec/dst
unitdir = $(PREFIX)/lib/systemd/system
rulesdir = $(PREFIX)/lib/udev/rules.d
mandir = $(PREFIX)/share/man/man8
completiondir = $(PREFIX)/share/bash-completion/completions
units = dst-exports.service dst-storages.service dst-shutdown.service dst-poweroff.service
# Nobody has to enable it: it does something only for storages that are in use when the machine stops.
at_shutdown = shutdown.target.wants/dst-poweroff.service
install: ## Install program, systemd units, udev rules, manual and completion (PREFIX=/usr/local, DESTDIR=)
	@test -n "$(PROGRAM)" || { echo 'build the program first: cargo build --release -p dst' >&2; exit 1; }
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(sbindir)/dst
	install -D -m 755 systemd/machine-runs $(DESTDIR)$(libexecdir)/machine-runs
	install -d $(DESTDIR)$(unitdir) $(DESTDIR)$(rulesdir) $(DESTDIR)$(mandir) $(DESTDIR)$(completiondir)
	for unit in $(units); do \
		sed 's|@sbindir@|$(sbindir)|; s|@libexecdir@|$(libexecdir)|' systemd/$$unit >$(DESTDIR)$(unitdir)/$$unit || exit; \
	done
	install -d $(DESTDIR)$(unitdir)/$(dir $(at_shutdown))
	ln -sfn ../dst-poweroff.service $(DESTDIR)$(unitdir)/$(at_shutdown)
	sed 's|@sbindir@|$(sbindir)|' udev/60-dst.rules >$(DESTDIR)$(rulesdir)/60-dst.rules
	$(PROGRAM) man --dir $(DESTDIR)$(mandir) >/dev/null
	$(PROGRAM) completions bash >$(DESTDIR)$(completiondir)/dst
uninstall: ## Remove what "make install" installed
	cd $(DESTDIR)/ && rm -f $(addprefix .$(unitdir)/,$(units) $(at_shutdown)) .$(rulesdir)/60-dst.rules .$(sbindir)/dst \
		.$(libexecdir)/machine-runs .$(completiondir)/dst .$(mandir)/dst.8 .$(mandir)/dst-*.8
	[ ! -d $(DESTDIR)$(libexecdir) ] || rmdir $(DESTDIR)$(libexecdir)

.PHONY: clean clean-cache
clean: ## Remove what was built from this checkout; the cache keeps kernel and roots
	@scripts/clean
clean-cache: ## Remove the cache too
	@scripts/clean --cache
