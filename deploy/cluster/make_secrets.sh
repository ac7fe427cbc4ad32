#!/bin/sh
# Makes the secrets that the parts of a cluster know each other by, once: they stay in their volume.
set -eu
umask 077
cd /secrets
for name in postgres_password s3_access_key s3_secret_key; do
  [ -s "$name" ] || python -c 'import secrets; print(secrets.token_hex(24))' > "$name"
done
python - <<'PYTHON'
import json, pathlib
keys = {name: pathlib.Path(f"s3_{kind}_key").read_text().strip() for name, kind in (("accessKey", "access"), ("secretKey", "secret"))}
who = {"name": "oncoserve", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List"]}
pathlib.Path("s3.json").write_text(json.dumps({"identities": [who]}))
PYTHON
