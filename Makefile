# Tasks. `make demo` and `make test` work on a bare Debian 12: they install what is missing, configure, build and run.

PRESET ?= release
BUILD = build/$(PRESET)

.PHONY: build demo test test-long sanitize bench format clean packages

packages:
	@tools/install_packages.sh

build: packages
	@cmake --preset $(PRESET) > build-$(PRESET).log 2>&1 || { cat build-$(PRESET).log; exit 1; }
	@rm -f build-$(PRESET).log
	@cmake --build --preset $(PRESET)

demo: build
	@tools/demo.sh $(BUILD)/assay

test: build
	@ctest --preset $(PRESET) --no-tests=error -LE long

# Sweeps of whole input spaces and hundreds of millions of steps; minutes.
test-long: build
	@ctest --preset $(PRESET) --no-tests=error -L long

# The unit tests under the address and undefined-behaviour sanitizers.
sanitize:
	@$(MAKE) --no-print-directory PRESET=dev test

bench: build
	@$(BUILD)/bench/emulator_bench
	@$(BUILD)/bench/validity_bench
	@$(BUILD)/bench/prefill_bench models/tiny-qwen3
	@python3 bench/demo_bench.py $(BUILD)/assay

format:
	@tools/check_format.sh --fix

clean:
	@rm -rf build
