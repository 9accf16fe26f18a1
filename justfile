# Every command that a developer types; CI types the same.

set windows-shell := ["bash", "-cu"]

# Lists these commands.
default:
    @just --list

# Everything that CI runs.
ci: fmt-check lint isa (test "--all") doc

# `cargo fmt` does not see the crate in fuzz/.
# Format all Rust files.
fmt:
    git ls-files -co --exclude-standard '*.rs' | xargs rustfmt --edition 2024

# Are all Rust files formatted?
fmt-check:
    git ls-files -co --exclude-standard '*.rs' | xargs rustfmt --edition 2024 --check

# Clippy, of the Python package and of scripts/isa too; spelling, shell scripts and licences where the tools are installed.
lint:
    cargo clippy --release --all-targets -- -D warnings
    cargo clippy --release --locked --manifest-path bindings/python/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}" -- -D warnings
    cargo clippy --release --locked --manifest-path scripts/isa/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}" -- -D warnings
    @scripts/lint.sh

# Tests that run in minutes, or those named: `just test --test kernels conv2d`; `--all` first for all.
test *args:
    ./test.sh {{args}}

# The library's documentation, without warnings.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps --lib

# Conformance of every kernel on this machine's own GPU; fails where there is only a software one.
gpu *args:
    cargo run --release --quiet -- devices
    cargo run --release --quiet -- conform --require-gpu {{args}}

# Time of every kernel, as JSON with adapter, driver and commit: `just bench --out here.json`.
bench *args:
    cargo run --release --quiet -- bench {{args}}

# Breaks the code in every way that scripts/mutants.tsv lists; every break must fail a test.
mutants *names:
    scripts/mutants.sh {{names}}

# Lower every shader to SPIR-V, MSL, HLSL and GLSL, as the tests do.
shaders:
    cargo test --release --test kernels translate -- --nocapture

# What Mesa's AMD compiler makes of every kernel, without a GPU; `--newer`: also matrices and RDNA4.
isa *args:
    scripts/isa.sh {{args}}

# Every shader through Tint, Chromium's WGSL compiler (an npm package of 130 MB).
tint:
    scripts/tint.sh

# First run for a newcomer: driver, build, data, training, pictures.
quickstart *args:
    ./quickstart.sh {{args}}

# Licences and sources of the dependencies (needs cargo-deny; `advisories` needs the network).
deny:
    cargo deny check bans licenses sources
