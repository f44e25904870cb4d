#!/bin/sh
# Restarts Deployments one after the other, and waits for each. Nothing else.
# Usage: rollouts.sh NAMESPACE DEPLOYMENT...    KUBECONFIG is set.
set -eu
namespace=$1
shift
for deployment; do
    kubectl --namespace "$namespace" rollout restart "deployment/$deployment"
    kubectl --namespace "$namespace" rollout status "deployment/$deployment" --timeout=600s
done
