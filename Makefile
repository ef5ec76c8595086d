# Vibrato: everything a person does with this tree. `make help` lists it.

CARGO   ?= cargo
TARGET  := wasm32-wasip2
ROUTES  := target/routes
LISTEN  ?= 127.0.0.1:8000
# The handlers have a target directory of their own: their flags differ, and the host's build may be elsewhere.
GUESTS  := target/guests
EXAMPLES := $(notdir $(patsubst %/,%,$(dir $(wildcard examples/*/Cargo.toml))))

.PHONY: help run routes host test lint bench target clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: host routes ## Build all, serve the examples on http://127.0.0.1:8000 (LISTEN=host:port for another address)
	@"$$($(CARGO) run --quiet --release -p host --bin host -- --version >/dev/null && scripts/host-path)" --help >/dev/null

clean: ## Remove what was built
	$(CARGO) clean
	rm -rf target
