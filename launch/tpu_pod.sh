#!/usr/bin/env bash
# A run on every host of a Cloud TPU slice, whose hosts hold this folder under the same path.
#   TPU=my-slice ZONE=us-central2-b launch/tpu_pod.sh --config=configs/clip.py --workdir=gs://my-bucket/runs/clip
# The processes find each other by the slice's metadata. The workdir is an address, or a mounted folder that all hosts see.
set -euo pipefail
workdir=$(printf '%s\n' "$@" | sed -n 's/^--workdir=//p')
: "${workdir:?give --workdir=gs://BUCKET/RUN, or a folder that all hosts see}"
printf -v arguments '%q ' "$@"
# Every host has a supervisor, and the first one's leaves the history; the metadata say which host it is.
number=http://metadata.google.internal/computeMetadata/v1/instance/attributes/agent-worker-number
history="\$([ \"\$(curl -sf -H Metadata-Flavor:Google $number)\" = 0 ] || echo --no-history)"
supervise="launch/supervise --workdir=$(printf %q "$workdir") $history"
exec gcloud compute tpus tpu-vm ssh "${TPU:?name of the slice}" --zone="${ZONE:?its zone}" --worker=all \
  --command="cd $(printf %q "$PWD") && $supervise -- python main.py $arguments"
