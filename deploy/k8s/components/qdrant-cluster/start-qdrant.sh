#!/bin/bash
# A node that has been in the cluster finds the others by itself. A node with an empty disk joins through any
# other node that answers, whatever its number: were only qdrant-0 asked, a qdrant-0 that lost its disk would
# begin a cluster of its own. It begins one only if nobody answers for a while.
set -euo pipefail
ordinal="${HOSTNAME##*-}"
name="${HOSTNAME%-*}"
nodes="${QDRANT_NODES:?number of nodes}"
# The first process of a container ignores what it does not handle: without this, a pod that waits takes minutes to go.
trap 'exit 143' TERM

address() { echo "${name}-$1.${name}-headless"; }

answering_peer() {
  for ((other = 0; other < nodes; other++)); do
    if [[ "$other" != "$ordinal" ]] && timeout 2 bash -c "exec 3<>/dev/tcp/$(address "$other")/6335" 2>/dev/null; then
      address "$other"
      return
    fi
  done
}

QDRANT__SERVICE__API_KEY="$(cat /run/secrets/imagerag/QDRANT_API_KEY)"
export QDRANT__SERVICE__API_KEY
arguments=(--uri "http://$(address "$ordinal"):6335")
if [[ ! -f /qdrant/storage/raft_state.json ]]; then
  for ((waited_s = 0; ; waited_s += 3)); do
    peer="$(answering_peer)"
    if [[ -n "$peer" ]]; then
      arguments+=(--bootstrap "http://${peer}:6335")
      break
    fi
    if [[ "$ordinal" == 0 ]] && ((waited_s >= 15 || nodes == 1)); then
      echo "No node answers: beginning a new cluster."
      break
    fi
    echo "Waiting for a node to join."
    sleep 3
  done
fi
exec ./entrypoint.sh "${arguments[@]}"
