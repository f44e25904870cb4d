#!/bin/sh
# The vendor's procedure as an operator would script it: new keys in place of the old ones, then restarts in order.
# Usage: rotate.sh NAMESPACE SECRET DEPLOYMENT...    KUBECONFIG is set; needs openssl, kubectl, python3 with cryptography.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
namespace=$1
secret=$2
shift 2

umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for signer in api-server scheduler; do
    openssl genrsa -out "$folder/$signer-private.pem" 4096
    openssl pkey -in "$folder/$signer-private.pem" -pubout -out "$folder/$signer-public.pem"
done
cat "$folder/api-server-public.pem" "$folder/scheduler-public.pem" | python3 "$here/jwks.py" > "$folder/jwks.json"
kid() { sed -n "s/.*\"kid\": \"\([^\"]*\)\".*/\1/p" "$folder/jwks.json" | sed -n "$1p" | tr -d '\n'; }
kid 1 > "$folder/api-server.kid"
kid 2 > "$folder/scheduler.kid"

# Entries of the Secret that are not named here stay: it was not made by `kubectl apply`.
kubectl --namespace "$namespace" create secret generic "$secret" --from-file="$folder" --dry-run=client --output=yaml |
    kubectl --namespace "$namespace" apply --filename=-

"$here/rollouts.sh" "$namespace" "$@"
