# The development tasks. `make` without a target lists them.

.PHONY: help run test lint bench sample screenshots install clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

run: ## build and serve videos/ on http://127.0.0.1:8000/
	cargo run --release --locked -- videos

test: ## run all tests; a test whose tools are missing is skipped with a message
	cargo test --locked
	cargo test --locked --bench micro --bench compare

lint: ## check formatting, clippy and docs; deny all warnings
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

bench: ## run the micro-benchmarks, then compare with the other installed servers
	cargo bench --locked --bench micro --bench compare

sample: ## regenerate the sample film (needs ffmpeg and the DejaVu fonts)
	videos/make-countdown.sh

screenshots: ## regenerate the README's pictures (needs ffmpeg, node and Chromium)
	cd tests/browser && node screenshots.js

install: ## install the program with cargo
	cargo install --locked --path .

clean: ## remove build artifacts
	cargo clean
