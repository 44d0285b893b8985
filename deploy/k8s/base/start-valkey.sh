#!/bin/sh
# The password comes from a Secret and must stand neither in a ConfigMap nor on a command line.
set -eu
umask 077
{
  cat /etc/valkey/valkey.conf
  printf 'requirepass "%s"\n' "$(cat /run/secrets/valkey/password)"
} > /tmp/valkey.conf
exec valkey-server /tmp/valkey.conf
