#!/bin/sh
# Restarts Deployments one after the other, and waits for each until it is rolled out and its old pods have ended, which
# `kubectl rollout status` does not wait for. Nothing else.
# Usage: complete_rollouts.sh NAMESPACE DEPLOYMENT...    KUBECONFIG is set. The pods of a Deployment have its name as app.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
namespace=$1
shift
for deployment; do
    pods=$(kubectl --namespace "$namespace" get pods --selector "app=$deployment" --output=name)
    "$here/rollouts.sh" "$namespace" "$deployment"
    # shellcheck disable=SC2086  one word for each pod
    kubectl --namespace "$namespace" wait --for=delete --timeout=600s $pods
done
