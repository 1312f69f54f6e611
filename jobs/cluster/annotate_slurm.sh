#!/bin/bash
# One run on all nodes of a Slurm job, which queues itself again before its time is up and then goes on:
#
#   sbatch --nodes=4 --time=24:00:00 jobs/cluster/annotate_slurm.sh JOB.yaml --out RUN [options of `fcaps annotate`]
#
# Activate the environment of fcaps first: sbatch hands PATH on. JOB, its source and RUN lie where all nodes see them.
# Whole nodes, because Ray takes what a node has. `scancel --batch --signal=USR1 ID` ends it as the time limit would,
# `scancel --batch --signal=TERM ID` the same without queueing it again, `scancel ID` in the middle of its units.
#SBATCH --job-name=fcaps
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --mem=0
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -u

# Of the 300 s before the limit; the rest is for putting Ray and this script away.
readonly GRACE_S=200
readonly NODES_WAIT_S="${FCAPS_NODES_WAIT_S:-600}"

say() { printf '%(%T)T %s\n' -1 "$*" >&2; }
fail() { say "$*"; exit 1; }

# A signal of its own asks for requeueing: TERM also comes with scancel, after which nobody wants the job back.
child='' ending='' num_signals=0
end() {
  ending=$1
  num_signals=$((num_signals + 1))
  [ -z "$child" ] || kill -TERM "$child"
}
trap 'end requeue' USR1
trap 'end stop' TERM INT

launch() {
  "$@" &
  child=$!
  [ -z "$ending" ] || kill -TERM "$child"
}

# Exit code of $child. A signal that arrives cuts `wait` short, so it waits on.
wait_for_child() {
  local before code
  while before=$num_signals; wait "$child"; code=$?; [ "$num_signals" -gt "$before" ]; do :; done
  child=''
  return "$code"
}

# Ray on nodes, until it is stopped: NODE,NODE,... COUNT and options of `ray start`. No --cpus-per-task, since a step
# that asks for none gets all cores; one lost node must not end the others.
steps=()
start_ray() {
  # shellcheck disable=SC2016 # expanded on each node
  srun --nodelist="$1" --nodes="$2" --ntasks="$2" --ntasks-per-node=1 --overlap --mem=0 --cpu-bind=none \
    --kill-on-bad-exit=0 --wait=0 bash -c 'ulimit -n "$(ulimit -Hn)"
      exec ray start --block --node-name="$SLURMD_NODENAME" --num-cpus="$SLURM_CPUS_ON_NODE" "$@"' ray "${@:3}" >&2 &
  steps+=("$!")
}

# By its steps and not by `ray stop`, which ends every Ray on a node.
stop_ray() {
  kill "${steps[@]}" 2>/dev/null
  wait "${steps[@]}" 2>/dev/null
}

# Names, on stderr, the nodes that are not in Ray within the bound.
await_nodes() {
  exec python - "$address" "$NODES_WAIT_S" "${nodes[@]}" <<'PYTHON'
import sys
import time

import ray

address, wait_s, *names = sys.argv[1:]
until_s = time.monotonic() + float(wait_s)
ray.init(address=address, log_to_driver=False, logging_level="ERROR")
while missing := set(names) - {node["NodeName"] for node in ray.nodes() if node["Alive"]}:
    if time.monotonic() > until_s:
        sys.exit(f"{len(missing)} of {len(names)} nodes not in Ray after {wait_s} s: {' '.join(sorted(missing))}")
    time.sleep(0.5)
PYTHON
}

: "${SLURM_JOB_ID:?start this script with sbatch}"
for name in fcaps ray python; do
  command -v "$name" >/dev/null || fail "$name is not on PATH; activate the environment of fcaps, then sbatch again"
done
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=$SLURMD_NODENAME
workers=()
for node in "${nodes[@]}"; do [ "$node" = "$head" ] || workers+=("$node"); done

# What the driver sets where it starts Ray itself must be in the environment of every node here.
export RAY_kill_child_processes_on_worker_exit_with_raylet_subreaper=true RAY_process_group_cleanup_enabled=true
export RAY_USAGE_STATS_ENABLED=0 RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=0 RAY_IGNORE_UNHANDLED_ERRORS=1
export RAY_timeout_ms_task_wait_for_death_info=60000
# All nodes start at once and wait for the head. Without a token whoever reaches the port can run code as this user.
export RAY_gcs_server_port_wait_time_s="$NODES_WAIT_S" RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN

# Ports and folder are this job's own, in case another Ray is left on a node; below 20000 Ray's workers have theirs.
port=$((20000 + SLURM_JOB_ID % 1000 * 10))
# The address that Ray itself takes for this node: a name may mean the loopback here and another network elsewhere.
address=$(python -c 'import ray; print(ray.util.get_node_ip_address())'):$port || fail "Ray cannot be imported"
say "job $SLURM_JOB_ID, start $((${SLURM_RESTART_COUNT:-0} + 1)): Ray at $address on ${#nodes[@]} nodes: ${nodes[*]}"
trap stop_ray EXIT
start_ray "$head" 1 --head --port="$port" --ray-client-server-port=$((port + 1)) --include-dashboard=false \
  --dashboard-agent-listen-port=$((port + 2)) --temp-dir="/tmp/fcaps-$SLURM_JOB_ID"
if [ "${#workers[@]}" -gt 0 ]; then
  start_ray "$(IFS=,; echo "${workers[*]}")" "${#workers[@]}" --address="$address" \
    --dashboard-agent-listen-port=$((port + 3))
fi

launch await_nodes
wait -n "$child" "${steps[@]}"
if [ -z "$ending" ]; then
  for step in "${steps[@]}"; do
    kill -0 "$step" 2>/dev/null || { kill "$child"; fail "Ray ended on a node before all were there; see above"; }
  done
  wait_for_child || [ -n "$ending" ] || exit 1
fi

code=130
if [ -z "$ending" ]; then
  launch fcaps annotate --set resources.ray_address="$address" --set resources.grace_s="$GRACE_S" "$@"
  wait_for_child
  code=$?
fi
case $code-$ending in
  3-*)
    say "finished, but not whole: report.json in the run folder says what failed; --retry-failures does that again"
    exit 0 ;;
  130-requeue)
    say "interrupted; job $SLURM_JOB_ID goes on when it is its turn again"
    scontrol requeue "$SLURM_JOB_ID" || fail "it could not be queued again: give the same sbatch command" ;;
  130-*) say "interrupted; the same sbatch command goes on" ;;
esac
exit "$code"
