#!/bin/sh
# Makes what docker-compose.yml takes as secrets: random passwords, and one API key for the tenant `default`.
# Usage: secrets.sh [FOLDER]    (./secrets if none is named; what is there already is kept)
set -eu
folder=${1:-secrets}
tenant=${IMAGERAG_TENANT:-default}

# Compose mounts the files as they are, so users of containers must be able to read them; the folder lets nobody of
# this machine in but its owner.
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
sha256() { { sha256sum 2>/dev/null || shasum -a 256; } | cut -d ' ' -f 1; }

# put FILE: keeps standard input. Values stand in files, never on a command line.
put() {
    cat > "$folder/.$1.part"
    chmod 644 "$folder/.$1.part"
    mv "$folder/.$1.part" "$folder/$1"
}

for server in broker cache; do
    [ ! -e "$folder/$server.conf" ] || continue
    password=$(random)
    url=$(echo "$server" | tr '[:lower:]' '[:upper:]')_URL
    printf 'redis://:%s@%s:6379/0\n' "$password" "$server" | put "$url"
    printf 'protected-mode no\nrequirepass %s\n' "$password" | put "$server.conf"
done

if [ ! -e "$folder/qdrant.yaml" ]; then
    password=$(random)
    printf '%s\n' "$password" | put QDRANT_API_KEY
    printf 'service:\n  api_key: "%s"\n' "$password" | put qdrant.yaml
fi

if [ ! -e "$folder/keys.jsonl" ]; then
    key=$(random)
    printf '{"name": "first", "tenant": "%s", "sha256": "%s", "scopes": ["read", "write", "admin"]}\n' \
        "$tenant" "$(printf '%s' "$key" | sha256)" | put keys.jsonl
    printf '%s\n' "$key" | put IMAGERAG_KEY
    chmod 600 "$folder/IMAGERAG_KEY"
fi

# A token of the model hub, for models that ask for one. Empty: none.
[ -e "$folder/HF_TOKEN" ] || put HF_TOKEN < /dev/null

echo "Secrets are in $folder. The API key of the tenant $tenant: $folder/IMAGERAG_KEY"
