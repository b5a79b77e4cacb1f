# The two commands: `make demo` runs the product with a small simulated checkpoint, `make test` proves it.
# `make demo FLEET=1` plays 1,434 devices of 19 more sites beside it. `make demo FOR=30s` runs that long without a
# terminal, checks itself, and fails with the reason if something is wrong.

CARGO ?= cargo
FOR ?=
FLEET ?=

# The programs that the demo and the tests run.
PROGRAMS = -p kouan-collector -p kouan-agent -p kouan-drivers -p kouan-load -p kouan-tests --all-features --bins

.PHONY: bench bench-fleet bench-peers bench-year build console demo lint load prove screenshots test test-setup

build:
	$(CARGO) build $(PROGRAMS)

demo: build
	@target/debug/kouan-demo $(if $(FLEET),--fleet) $(if $(FOR),--for $(FOR))

test: test-setup
	$(CARGO) build --workspace --all-features --bins
	$(CARGO) nextest run --workspace --all-features

# Figures and ratios of this machine, as a table and as JSON; takes about six minutes after the build.
bench: test-setup
	$(CARGO) build --release $(PROGRAMS) -p kouan-bench
	@target/release/kouan-bench $(BENCH)

# A fleet of devices that live as real ones do, at three sizes (docs/scale.md). `make bench-fleet FLEET="--times 10"`
bench-fleet:
	$(CARGO) build --release -p kouan-collector -p kouan-load --bins
	@target/release/kouan-load fleet $(FLEET)

# A year of data: the start of the whole program with it, exports, answers, a backup (docs/history.md); takes some ten
# minutes after the build, and fails where a limit is broken.
bench-year:
	$(CARGO) build --release -p kouan-collector -p kouan-load --bins
	@target/release/kouan-load year $(YEAR)

# 200 sessions of 20 people who look at the whole fleet at once, one of them in a real browser, and the frames of a
# browser that scrolls through 11,472 devices (docs/console.md).
# `make load LOAD="--screens 400 --seconds 120"`
load: test-setup
	$(CARGO) build --release -p kouan-collector -p kouan-load --bins
	@target/release/kouan-load screens $(LOAD)
	@target/release/kouan-load scroll

# The console: checked, tested, and built into console/dist, which is part of the collector's program.
console: test-setup
	cd console && npm run lint && npm run test && npm run build

# A picture of every page in both languages, in docs/screenshots.
screenshots: test-setup build
	node console/browser/screenshots.mjs

# The collector beside VictoriaMetrics and PostgreSQL under the same readings; takes some ten minutes after the build.
bench-peers:
	@load/setup-peers
	$(CARGO) build --release -p kouan-collector -p kouan-load --bins
	@target/release/kouan-load peers $(PEERS)

# Breaks programs, line, disk and clocks by schedules drawn from seeds, and compares what devices, agent and collector have
# (docs/proof.md). `make prove ROUNDS=1000 SEED=5000` takes hours. After the rounds: power
# cuts, and the scenarios of other gateways.
ROUNDS ?= 12
SEED ?= 1
CUTS ?= 500

prove: test-setup
	$(CARGO) build --release $(PROGRAMS)
	@target/release/kouan-prove rounds --rounds $(ROUNDS) --seed $(SEED)
	@target/release/kouan-prove power-loss --cuts $(CUTS) --seed $(SEED)
	@target/release/kouan-prove peers

# Installs what the tests need: packages when run as root, Python packages into target/venv, cargo-nextest.
test-setup:
	@tests/setup

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny@0.20.2
	$(CARGO) deny --all-features check licenses bans sources
