# Tasks. `make demo` and `make test` work on a bare Debian 12: they install what is missing, configure, build and run.

PRESET ?= release
BUILD = build/$(PRESET)

.PHONY: build demo test test-long sanitize bench bench-verdicts format clean packages

packages:
	@tools/install_packages.sh

build: packages
	@cmake --preset $(PRESET) > build-$(PRESET).log 2>&1 || { cat build-$(PRESET).log; exit 1; }
	@rm -f build-$(PRESET).log
	@cmake --build --preset $(PRESET)

demo: build
	@tools/demo.sh $(BUILD)/assay

test: build
	@ctest --preset $(PRESET) --no-tests=error -LE long $(SKIP)

# Sweeps of whole input spaces and hundreds of millions of steps; minutes.
test-long: build
	@ctest --preset $(PRESET) --no-tests=error -L long

# The tests under the address and undefined-behaviour sanitizers, but for a minute of emulation whose code the others run.
sanitize:
	@$(MAKE) --no-print-directory PRESET=dev SKIP="-E attack_verdicts" test

bench: build
	@$(BUILD)/bench/emulator_bench
	@$(BUILD)/bench/validity_bench
	@$(BUILD)/bench/fleet_bench
	@$(BUILD)/bench/prefill_bench models/tiny-qwen3
	@$(BUILD)/bench/parse_bench
	@$(BUILD)/bench/remote_bench models/tiny-qwen3-awq
	@python3 bench/demo_bench.py $(BUILD)/assay

# Error rates of the verdict (docs/evidence.md): about an hour and a half on two cores; resumes.
bench-verdicts: build
	@test -e runs/verdicts/calibration.json || $(BUILD)/assay calibrate bench/verdicts.yaml -o runs/verdicts --device a100,h100 --verifier-device h100 --fit 100 --scores 900 > runs/verdicts.txt
	@test -e runs/verdicts-exact/calibration.json || $(BUILD)/assay calibrate bench/verdicts_exact.yaml -o runs/verdicts-exact --device a100 --verifier-device a100 --replay decode > runs/verdicts-exact.txt
	@$(BUILD)/bench/verdict_bench runs/verdicts/calibration.json runs/verdicts-exact/calibration.json

format:
	@tools/check_format.sh --fix

clean:
	@rm -rf build
