# Everything one does with filmstrip while developing it. `make` alone lists the targets.

.PHONY: help run test lint bench sample install clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

run: ## build, and serve videos/ on http://127.0.0.1:8000/
	cargo run --release --locked -- videos

test: ## run every test; those whose tools are missing say so
	cargo test --locked
	cargo test --locked --bench micro --bench compare

lint: ## check format, clippy and docs, all warnings denied
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

bench: ## measure the parts, then filmstrip beside the other servers that are here
	cargo bench --locked --bench micro --bench compare

sample: ## make the sample film anew (needs ffmpeg and the DejaVu fonts)
	videos/make-countdown.sh

install: ## install the program with cargo
	cargo install --locked --path .

clean: ## remove what was built
	cargo clean
