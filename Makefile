# The development tasks. `make` without a target lists them.

.PHONY: help run test lint fuzz bench sample screenshots build install uninstall clean

PREFIX = /usr/local
PROFILE = release
BUILT = $(or $(CARGO_TARGET_DIR),target)/$(PROFILE:dev=debug)

# What is installed below PREFIX.
PROGRAM = bin/filmstrip
MANUAL = share/man/man1/filmstrip.1
SHARED = $(MANUAL) share/bash-completion/completions/filmstrip \
    share/zsh/site-functions/_filmstrip share/fish/vendor_completions.d/filmstrip.fish
UNITS = lib/systemd/system/filmstrip.service lib/systemd/system/filmstrip.socket

# libFuzzer's options; an input that takes ten seconds counts as a crash.
SECONDS = 60
FUZZING = -max_total_time=$(SECONDS) -timeout=10 -verbosity=0 -print_funcs=0 -print_final_stats=1

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

run: ## build and serve videos/ on http://127.0.0.1:8000/
	cargo run --release --locked -- videos

test: ## run all tests; a test whose tools are missing is skipped with a message
	@# Most tests wait for a server rather than compute.
	cargo test --locked -- --test-threads=8
	cargo test --locked --bench micro --bench compare

lint: ## check formatting, clippy and docs; deny all warnings
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

fuzz: ## run each fuzz target for SECONDS (60), two at once
	cd fuzz && cargo build --release --locked && basename -s .rs fuzz_targets/* | xargs -P 2 -I % \
	    sh -c 'mkdir -p corpus/% artifacts && cargo run -rq --locked --bin % -- corpus/% $(FUZZING) \
	        -artifact_prefix=artifacts/%-'

bench: ## run the micro-benchmarks, then compare with other servers and, given AGAINST=<revision>, with that build
	cargo bench --locked --bench micro
	cargo bench --locked --bench compare -- $(if $(AGAINST),--against $(AGAINST))

sample: ## regenerate the sample film (needs ffmpeg and the DejaVu fonts)
	videos/make-countdown.sh

screenshots: ## regenerate the README's pictures (needs ffmpeg, node and Chromium)
	cd tests/browser && node screenshots.js

build: $(BUILT)/$(MANUAL) ## build the program, its manual page and completions for bash, zsh and fish

# Only if something changed, because root, who installs, may have no cargo.
$(BUILT)/$(MANUAL): Cargo.toml Cargo.lock examples/manual.rs $(shell find src -type f)
	cargo build --locked --profile $(PROFILE)
	cargo run --locked --profile $(PROFILE) --example manual -- $(BUILT)/share

install: build ## install them and the systemd units below PREFIX (/usr/local); packagers set DESTDIR
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,$(sort $(dir $(PROGRAM) $(UNITS) $(SHARED))))
	install -m 755 $(BUILT)/filmstrip $(DESTDIR)$(PREFIX)/$(PROGRAM)
	for file in $(SHARED); do install -m 644 $(BUILT)/$$file $(DESTDIR)$(PREFIX)/$$file || exit; done
	for file in $(UNITS); do install -m 644 contrib/$${file##*/} $(DESTDIR)$(PREFIX)/$$file || exit; done

uninstall: ## remove what was installed
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,$(PROGRAM) $(UNITS) $(SHARED))

clean: ## remove build artifacts
	cargo clean
