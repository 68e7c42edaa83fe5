# SPDX-License-Identifier: MPL-2.0

PLUGIN_DIR := $(or $(CARGO_TARGET_DIR),target)/release
PLUGIN := $(PLUGIN_DIR)/libgstblurdm.so
EXAMPLES := $(PLUGIN_DIR)/examples
BUILT := $(PLUGIN_DIR)/.blurdm-built
SOURCES := build.rs Cargo.toml Cargo.lock $(shell find src crates examples models/blurdm-nano -type f)
RUNTIME := build/runtime
OLDEST_RUNTIME := build/oldest-runtime
CLIP := build/clip/bikes.mp4
LPIPS := build/lpips/alexnet.ckpt
MAXIM := build/maxim/models/model.json
LINT := build/lint
FUZZ := build/fuzz
FUZZ_SECONDS ?= 60
TRAINING_VENV := build/training-venv
AARCH64 := build/aarch64
AARCH64_BUILT := $(or $(CARGO_TARGET_DIR),target)/aarch64-unknown-linux-gnu/release
# Of a script that could not fetch something and has said so.
OR_SKIPPED := || [ $$? -eq 77 ]

# The user's own registry of plugins stays as it is.
export GST_REGISTRY := $(CURDIR)/build/registry.bin
export INPUT

.PHONY: help packages demo demo-clip demo-own input lint test validate valgrind thread-sanitizer faults soak fuzz test-training test-gpu pack-gpu test-aarch64 aarch64 deb bench install uninstall clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo               blur a clip, restore it, and measure; results in demo/'
	@echo 'make demo INPUT=FILE    restore your own video into demo/'
	@echo 'make install            install the plugin, the command blurdm, ONNX Runtime and the model for this user'
	@echo 'make uninstall          remove them'
	@echo 'make lint               format, lints, documentation, licences, spelling and links'
	@echo 'make test               that, and the tests of the plugin and the command'
	@echo 'make validate           the scenarios of gst-validate-1.0 with the element, where that tool is installed'
	@echo 'make valgrind           short pipelines with the element under Valgrind, where it is installed'
	@echo 'make thread-sanitizer   the tests in which threads meet, compiled with a nightly compiler'
	@echo 'make faults             each call of blurdm restore that changes a file fails once, 200 kills, 5000 damaged files, a million changed graphs; takes hours'
	@echo 'make soak               a million small frames with restarts, other caps, QoS and jumps of the clock; build/soak.csv has memory, files and threads'
	@echo 'make fuzz               random inputs for what reads files; FUZZ_SECONDS=3600 for an hour each'
	@echo 'make test-training      tests of the training package, of restoring on Ray, and of build-aux'
	@echo 'make test-gpu           parity and speed on an NVIDIA GPU, with an ONNX Runtime for it'
	@echo 'make pack-gpu           what that runs, to be run elsewhere, into build/gpu/pack/'
	@echo 'make aarch64            build for 64-bit Arm, such as a Jetson'
	@echo 'make test-aarch64       restore with it under QEMU, and compare'
	@echo 'make deb                Debian packages for amd64 and arm64, into build/deb/'
	@echo 'make bench              benchmarks'
	@echo 'make clean              remove everything that was built'

# --- What everything needs ---------------------------------------------------------------------------------------------

packages: $(if $(INPUT),input)
	@build-aux/packages.sh

$(RUNTIME): build-aux/fetch.sh build-aux/runtime-$(shell uname -m).txt | packages
	@echo 'Fetching ONNX Runtime into $@'
	@build-aux/fetch.sh runtime $@

$(OLDEST_RUNTIME): build-aux/fetch.sh build-aux/oldest-runtime-$(shell uname -m).txt | packages
	@echo 'Fetching the oldest ONNX Runtime to test with into $@'
	@build-aux/fetch.sh oldest-runtime $@

# A stamp, since cargo leaves files alone that it need not build again, and the plugin is not the only one.
$(BUILT): $(SOURCES) | packages
	@echo 'Building the plugin and the command'
	@cargo build --release --locked --workspace --lib --bins --examples
	@touch $@

# --- make demo ---------------------------------------------------------------------------------------------------------

demo: $(if $(INPUT),demo-own,demo-clip)

demo-clip: demo/before.png demo/before-after.mp4 demo/measured.txt
	@echo
	@cat demo/measured.txt
	@echo
	@echo 'Look at demo/before-after.mp4 and demo/before-after.png'

$(CLIP): build-aux/fetch.sh build-aux/clip.txt | packages
	@echo 'Fetching the clip into $@'
	@build-aux/fetch.sh clip $(@D)

demo/blurred.mp4: $(CLIP) $(BUILT)
	@echo 'Blurring the clip by a longer exposure into $@'
	@mkdir -p demo
	@$(EXAMPLES)/longer_exposure $(CLIP) $@

demo/restored.mp4: demo/blurred.mp4 pipelines/file.sh pipelines/env.sh | $(RUNTIME)
	@echo 'Restoring it into $@'
	@pipelines/file.sh demo/blurred.mp4 $@

demo/before-after.mp4: demo/restored.mp4
	@echo 'Restoring it again, the right half only, into $@'
	@pipelines/file.sh --compare demo/blurred.mp4 $@

demo/before.png: demo/restored.mp4
	@echo 'Taking the stills demo/before.png, demo/after.png and demo/before-after.png'
	@ORT_DYLIB_PATH="$${ORT_DYLIB_PATH:-$(CURDIR)/$(RUNTIME)}" $(EXAMPLES)/stills demo/blurred.mp4 demo/ 6

demo/measured.txt: demo/restored.mp4
	@echo 'Measuring speed, PSNR and SSIM'
	@ORT_DYLIB_PATH="$${ORT_DYLIB_PATH:-$(CURDIR)/$(RUNTIME)}" $(EXAMPLES)/measure $(CLIP) demo/blurred.mp4 >$@

# Looked at first, before anything is fetched or built.
input:
	@build-aux/restore-own.sh check "$$INPUT"

demo-own: $(BUILT) $(RUNTIME)
	@build-aux/restore-own.sh run "$$INPUT" $(PLUGIN) $(EXAMPLES)/stills

# --- Lints and tests -----------------------------------------------------------------------------------------------------

test faults soak test-training bench: export ORT_DYLIB_PATH ?= $(CURDIR)/$(RUNTIME)

lint: | packages
	@build-aux/lint.sh $(LINT)

# Examples are compiled by the lints, and need not be linked.
test: export BLURDM_OLDEST_RUNTIME = $(CURDIR)/$(OLDEST_RUNTIME)
test: lint | packages $(RUNTIME) $(OLDEST_RUNTIME)
	cargo test --workspace --locked --lib --bins --tests
	cargo test --workspace --locked --doc
	build-aux/fuzz.sh $(FUZZ) $(FUZZ_SECONDS)

# GStreamer's own tool, which distributions do not have. Its checks that concern the element are tests as well: tests/seeking.rs.
validate: $(BUILT) | $(RUNTIME)
	@build-aux/validate.sh $(PLUGIN_DIR) $(RUNTIME)

# The build with line numbers: what is found is named by file and line.
valgrind: | packages $(RUNTIME)
	cargo build --locked --package gst-plugin-blurdm --lib
	@build-aux/valgrind.sh target/debug $(RUNTIME)

thread-sanitizer: | packages $(RUNTIME)
	@build-aux/thread_sanitizer.sh build/thread-sanitizer $(RUNTIME)

# `make test` has it as well.
fuzz: | packages
	build-aux/fuzz.sh $(FUZZ) $(FUZZ_SECONDS)

# `make test` tries some of it.
faults: export BLURDM_FAULTS = all
faults: export BLURDM_MUTATIONS ?= 1000000
faults: | packages $(RUNTIME)
	cargo test --locked --package blurdm-cli --test faults -- --nocapture
	cargo test --locked --release --package gst-plugin-blurdm --test gate mutated -- --nocapture

# `make test` has a short one.
soak: export BLURDM_SOAK_FRAMES ?= 1000000
soak: export BLURDM_SOAK_CSV ?= $(CURDIR)/build/soak.csv
soak: | packages $(RUNTIME)
	cargo test --locked --release --package gst-plugin-blurdm --test soak -- --nocapture

bench: | packages $(RUNTIME)
	cargo bench --locked

$(TRAINING_VENV): models/training/requirements.txt pipelines/cluster/requirements.txt
	@echo 'Making the virtual environment $@'
	@rm -rf $@
	@python3 -m venv $@ || { echo 'make: python3 cannot make it: install python3-venv, then run make again' >&2; exit 1; }
	@$@/bin/python -m pip install --quiet --disable-pip-version-check $(^:%=--requirement=%) || { rm -rf $@; exit 1; }
	@touch $@

$(LPIPS): build-aux/fetch.sh build-aux/lpips.txt
	@echo 'Fetching the weights of LPIPS into $@'
	@build-aux/fetch.sh lpips $(@D)

$(MAXIM): build-aux/fetch.sh build-aux/maxim.txt
	@echo 'Fetching the weights of MAXIM into build/maxim'
	@build-aux/fetch.sh maxim build/maxim
	@touch $@

# Scores go through the element.
test-training: export GST_PLUGIN_PATH := $(abspath $(PLUGIN_DIR))
test-training: $(TRAINING_VENV) $(BUILT) $(LPIPS) $(MAXIM) | $(RUNTIME)
	PYTHONPATH=models OMP_NUM_THREADS=1 $(TRAINING_VENV)/bin/python -m pytest --numprocesses auto --dist loadfile models/training/tests pipelines/cluster build-aux

# ONNX Runtime with CUDA is not fetched: it is large, and which one depends on the driver. For another machine: make pack-gpu there, then build/gpu/pack/run.sh.
pack-gpu: $(TRAINING_VENV) | packages
	@PYTHON=$(TRAINING_VENV)/bin/python benches/gpu/pack.sh build/gpu/pack

test-gpu: pack-gpu
	PYTHON=$(TRAINING_VENV)/bin/python build/gpu/pack/run.sh build/gpu/results

# --- 64-bit Arm, and packages --------------------------------------------------------------------------------------------

aarch64: | packages
	@build-aux/aarch64.sh $(AARCH64) $(OR_SKIPPED)

test-aarch64: $(BUILT) | $(RUNTIME)
	@build-aux/test-aarch64.sh $(AARCH64) $(PLUGIN) $(RUNTIME) $(OR_SKIPPED)

deb: $(BUILT)
	@build-aux/deb.sh $(shell dpkg --print-architecture) $(PLUGIN_DIR) build/deb
	@{ build-aux/aarch64.sh $(AARCH64) && build-aux/deb.sh arm64 $(AARCH64_BUILT) build/deb $(AARCH64)/link/symbols; } $(OR_SKIPPED)

# --- For this user -------------------------------------------------------------------------------------------------------

install: $(BUILT) | $(RUNTIME)
	@build-aux/install.sh install $(PLUGIN) $(PLUGIN_DIR)/blurdm $(RUNTIME) models/blurdm-nano

uninstall:
	@build-aux/install.sh uninstall

clean:
	cargo clean
	rm -rf build demo
