#!/usr/bin/env bash
# Trains over several "hosts" that are network namespaces of this machine, with addresses of their
# own; cuts the network of one in the middle; and lets the run go on from its last checkpoint. Then
# its curve must equal that of an undisturbed training.
#
# usage: scripts/network-ranks.sh [FOLDER]     needs root (network namespaces); skips without, with 77
# UNFOLD=PROGRAM   the program (default: build/release/unfold)
# HOSTS=N          namespaces, 2 or 3 (default 3)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
  exit 0
fi
unfold=$(realpath "${UNFOLD:-build/release/unfold}")
hosts=${HOSTS:-3}
skip() {
  echo "network-ranks: skipped: $*" >&2
  exit 77
}
for tool in ip unshare nsenter mpirun; do
  command -v "$tool" > /dev/null || skip "no $tool"
done
if [[ $(id -u) != 0 ]]; then skip "not root"; fi

folder=${1:-$(mktemp -d)}
mkdir -p "$folder"
tag=unf$$
bridge=${tag}b
namespaces=()
launcher=
clean_up() {
  if [[ -n $launcher ]]; then kill -9 "$launcher" 2> /dev/null || true; fi
  local namespace
  for namespace in ${namespaces[@]+"${namespaces[@]}"}; do
    ip netns pids "$namespace" 2> /dev/null | xargs -r kill -9 2> /dev/null || true
    ip netns del "$namespace" 2> /dev/null || true
  done
  ip link del "$bridge" 2> /dev/null || true
  if [[ -n ${own_folder:-} ]]; then rm -rf "$folder"; fi
}
if [[ -z ${1:-} ]]; then own_folder=yes; fi
trap clean_up EXIT

ip link add "$bridge" type bridge 2> /dev/null || skip "may not make a bridge"
ip link set "$bridge" up
for ((i = 1; i <= hosts; ++i)); do
  ip netns add "$tag$i" 2> /dev/null || skip "may not make a network namespace"
  namespaces+=("$tag$i")
  ip link add "${tag}v$i" type veth peer name eth0 netns "$tag$i" || skip "may not make a link"
  ip link set "${tag}v$i" master "$bridge" up
  ip -n "$tag$i" address add "10.213.77.$i/24" dev eth0
  ip -n "$tag$i" link set eth0 up
  ip -n "$tag$i" link set lo up
done
ip netns exec "${tag}1" ping -c 1 -W 5 "10.213.77.$hosts" > /dev/null 2>&1 || sleep 2

# What mpirun starts a remote daemon with, in place of ssh: AGENT HOST COMMAND...
agent=$folder/agent
cat > "$agent" <<AGENT
#!/usr/bin/env bash
number=\${1##*.}
shift
exec ip netns exec "$tag\$number" unshare --uts sh -c "hostname host\$number; \$*"
AGENT
chmod +x "$agent"
: > "$folder/hosts"
for ((i = 1; i <= hosts; ++i)); do echo "10.213.77.$i slots=1" >> "$folder/hosts"; done

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_plm_rsh_agent=$agent OMPI_MCA_btl=self,tcp OMPI_MCA_btl_tcp_if_include=eth0
export OMPI_MCA_oob_tcp_if_include=eth0 OMPI_MCA_hwloc_base_binding_policy=none
export UNFOLD_COMM_INTERFACE=eth0 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
cd "$folder"
awk 'BEGIN {
  srand(3)
  for (i = 0; i < 4000; i++) {
    word = ""
    for (j = 1 + int(rand() * 7); j > 0; j--) word = word substr("abcdef", 1 + int(rand() * 6), 1)
    printf "%s%s", word, rand() < 0.12 ? ".\n" : " "
  }
}' > text.txt
steps=300
cat > config.yaml <<YAML
run: {seed: 7}
model: {width: 32, layers: 2, heads: 2, kv_heads: 1, ffn: 48}
gist: {chunks: [6], sinks: 2}
data: {train: [data], val: [data]}
train: {steps: $steps, rows: 6, row_length: 96, val_every: 0}
optimizer: {lr: 2e-3}
checkpoint: {every: 10, keep: 2}
YAML
rm -rf data whole cut
"$unfold" data tokenize text.txt --out data > /dev/null 2>&1
train() { # RUN ARGUMENTS...
  ip netns exec "${tag}1" unshare --uts sh -c "hostname host1; exec \"\$@\"" train \
    mpirun --hostfile hosts -n "$hosts" "$unfold" train config.yaml --set run.dir="$1" "${@:2}"
}
if ! train whole > whole.log 2>&1; then
  tail -n 20 whole.log >&2
  if grep -q 'built without MPI' whole.log; then skip "built without MPI"; fi
  echo "network-ranks: the undisturbed training failed" >&2
  exit 1
fi
grep -o "$hosts ranks on $hosts hosts" whole.log || {
  echo "network-ranks: the ranks do not see $hosts hosts" >&2
  exit 1
}

train cut > cut.log 2>&1 &
launcher=$!
for ((i = 0; i < 600; ++i)); do
  if [[ -e cut/checkpoints/step-30/manifest.json ]]; then break; fi
  sleep 0.05
done
mapfile -t before < <(pgrep -f "unfold train config.yaml --set run.dir=cut" || true)
ip -n "${tag}$hosts" link set eth0 down
began=$SECONDS
for ((i = 0; i < 650; ++i)); do
  alive=0
  for process in "${before[@]}"; do
    if grep -qs unfold "/proc/$process/comm"; then alive=$((alive + 1)); fi
  done
  if ((alive == 0)); then break; fi
  sleep 0.1
done
took=$((SECONDS - began))
if ((alive > 0)); then
  echo "network-ranks: $alive ranks still run a minute after the cut" >&2
  tail -n 20 cut.log >&2
  exit 1
fi
if ! grep -q "\[ranks\] rank $((hosts - 1)) (host$hosts, .*its network is cut" cut.log; then
  echo "network-ranks: no line names the rank that was cut off:" >&2
  cat cut.log >&2
  exit 1
fi
grep -h "\[ranks\]" cut.log
kill -9 "$launcher" 2> /dev/null || true # mpirun itself may wait for the lost daemon
wait "$launcher" 2> /dev/null || true
launcher=
for namespace in "${namespaces[@]}"; do
  ip netns pids "$namespace" | xargs -r kill -9 2> /dev/null || true
done
ip -n "${tag}$hosts" link set eth0 up
sleep 1
if ! train cut --resume > cut.log 2>&1; then
  echo "network-ranks: the run could not go on:" >&2
  tail -n 20 cut.log >&2
  exit 1
fi
timeless() { sed 's/,"time":.*$//' "$1/metrics.jsonl"; }
if ! diff <(timeless whole) <(timeless cut) > difference; then
  echo "network-ranks: the curve differs:" >&2
  head -n 4 difference >&2
  exit 1
fi
echo "network-ranks: $hosts hosts; all ranks ended within $took s of the cut; the resumed curve is equal"
