#!/usr/bin/env bash
# Creates the Secrets that the base names, with random values, in the namespace of the current kubectl context.
# One that exists is left alone. With --print they go to standard output as YAML instead, for a tool that seals them.
#
#   deploy/k8s/secrets.sh             # then keep the API key that it shows: it stands nowhere else
#   deploy/k8s/secrets.sh --print | kubeseal --format yaml > sealed.yaml
set -euo pipefail
umask 077

namespace=imagerag
tenant="${IMAGERAG_TENANT:-default}"
print_only=false
if [[ "${1:-}" == --print ]]; then
  print_only=true
fi

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

# macOS has the second of these.
sha256() { sha256sum 2> /dev/null || shasum -a 256; }
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# put SECRET KEY: keeps standard input as the value of a key. Values stand in files, never on a command line.
put() {
  mkdir -p "$folder/$1"
  cat > "$folder/$1/$2"
}

for server in broker cache; do
  password="$(random)"
  printf '%s' "$password" | put "imagerag-$server" password
  printf 'redis://:%s@%s:6379/0' "$password" "$server" | put "imagerag-$server" "$(tr "[:lower:]" "[:upper:]" <<< "$server")_URL"
done
random | put imagerag-qdrant QDRANT_API_KEY
# The prefix is what secret scanners look for.
api_key="irk_$(random)"
digest="$(printf '%s' "$api_key" | sha256 | cut -d' ' -f1)"
printf '{"name": "first", "tenant": "%s", "sha256": "%s", "scopes": ["read", "write", "admin"]}\n' "$tenant" "$digest" |
  put imagerag-keys keys.jsonl

for path in "$folder"/*; do
  secret="$(basename "$path")"
  if $print_only; then
    echo "---"
    kubectl create secret generic "$secret" --namespace "$namespace" --from-file="$path" --dry-run=client -o yaml
  elif kubectl get secret "$secret" --namespace "$namespace" > /dev/null 2>&1; then
    echo "$secret exists: left alone."
    if [[ "$secret" == imagerag-keys ]]; then
      api_key=""
    fi
  else
    kubectl create secret generic "$secret" --namespace "$namespace" --from-file="$path"
  fi
done
if [[ -n "$api_key" ]]; then
  echo "API key of tenant $tenant: $api_key" >&2
fi
