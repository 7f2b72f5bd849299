# SPDX-License-Identifier: MIT
# Thin: the work is in CMake presets and scripts/.
#   make          builds build/release/cytoforge; where packages are missing it names them and installs nothing
#   make deps     installs the Debian packages that the build and the demo need
#   make demo     deps, build, and from simulated cells to new ones; everything lands in demo/
#   make test     demo, what the tests need, and every test
#   make asan     every test under the sanitizers
#   make faults   sixty minutes of injected faults and what came of them; FULL=1: every one, going on where it stopped
#   make format   every C, C++ and CUDA source laid out by clang-format 14
#   make docs     the public headers as pages in build/docs/html (needs Doxygen)
.PHONY: all build deps demo test asan faults docs bench-quality format clean

all: build

build:
	@scripts/install-deps.sh --check
	@cmake --preset release >/dev/null
	@cmake --build --preset release --target cytoforge

deps:
	@scripts/install-deps.sh

demo: deps
	@$(MAKE) --no-print-directory build
	@scripts/demo.sh

test: demo
	@scripts/install-deps.sh --test
	@scripts/test.sh release

asan:
	@scripts/install-deps.sh --check --test
	@scripts/test.sh asan

faults:
	@scripts/install-deps.sh --check --test
	@scripts/faults.sh $(if $(FULL),--full,--minutes $(or $(MINUTES),60))

docs:
	@scripts/docs.sh

bench-quality: build
	@benchmarks/quality.sh

format:
	@tests/format.sh -i

clean:
	rm -rf build
