# SPDX-License-Identifier: MIT
# Thin: the work is in CMake presets and scripts/.
.PHONY: all build demo test asan bench-quality format clean

all: build

build:
	@scripts/install-deps.sh
	@cmake --preset release >/dev/null
	@cmake --build --preset release --target cytoforge

demo: build
	@scripts/demo.sh

test: demo
	@scripts/install-deps.sh --test
	@scripts/test.sh release

asan:
	@scripts/install-deps.sh --test
	@scripts/test.sh asan

bench-quality: build
	@benchmarks/quality.sh

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build
