#!/bin/sh
# SeaweedFS in one process, with the bucket of the service.
set -eu
export HOME=/tmp
data=/var/lib/oncoserve-seaweed
(
  until echo "s3.bucket.create -name oncoserve" | weed shell -master=127.0.0.1:9333 >/dev/null 2>&1 \
    && echo "s3.bucket.list" | weed shell -master=127.0.0.1:9333 2>/dev/null | grep -q oncoserve; do
    sleep 1
  done
) &
exec weed server -dir="$data" -ip=127.0.0.1 -ip.bind=0.0.0.0 -filer -s3 -s3.config=/secrets/s3.json \
  -s3.autoCreateBucket=false -s3.port.iceberg=0 -s3.port.lance=0 -master.telemetry=false \
  -master.volumeSizeLimitMB=1024 -volume.max=0 -volume.preStopSeconds=0
