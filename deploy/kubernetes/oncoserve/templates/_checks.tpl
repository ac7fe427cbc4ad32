{{/* What cannot work is refused when it is asked for, not by pods that never become ready. */}}
{{- define "oncoserve.check" -}}
{{- $values := .Values -}}
{{- $shared := include "oncoserve.shared" . -}}
{{- if not (or $values.access.keysSecret $values.access.allowAnonymous) -}}
{{- fail "Other pods would reach the service without an API key: set access.keysSecret, or access.allowAnonymous=true if everybody may ask." -}}
{{- end -}}
{{- if and (not $shared) (or (gt (int $values.replicas) 1) $values.workers (ne $values.scaling.kind "none")) -}}
{{- fail "More than one pod share results in a bucket and jobs in PostgreSQL: set objectStore.bucket and postgres.host, or replicas=1 without workers and scaling." -}}
{{- end -}}
{{- if and $values.postgres.host (not $values.postgres.secret) -}}
{{- fail "postgres.host needs postgres.secret, a Secret with the key password." -}}
{{- end -}}
{{- if and (eq $values.models.source "volume") (not $values.models.claim) -}}
{{- fail "models.source=volume needs models.claim." -}}
{{- end -}}
{{- if and (eq $values.models.source "s3") (not $values.models.url) -}}
{{- fail "models.source=s3 needs models.url." -}}
{{- end -}}
{{- if gt (int $values.replicas) (int $values.scaling.maxReplicas) -}}
{{- if ne $values.scaling.kind "none" }}{{ fail "replicas is more than scaling.maxReplicas." }}{{ end -}}
{{- end -}}
{{- range $name, $worker := $values.workers -}}
{{- $least := include "oncoserve.least" $worker | int -}}
{{- if and (hasKey $worker "maxReplicas") (gt $least (int $worker.maxReplicas)) -}}
{{- fail (printf "workers.%s.replicas is more than its maxReplicas." $name) -}}
{{- end -}}
{{- if and (eq $values.scaling.kind "hpa") (hasKey $worker "maxReplicas") (eq $least 0) -}}
{{- fail (printf "workers.%s.replicas=0: a HorizontalPodAutoscaler does not begin at none; KEDA does." $name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The workers that there are at least: one, unless it is said. */}}
{{- define "oncoserve.least" -}}
{{- ternary (get . "replicas") 1 (hasKey . "replicas") -}}
{{- end }}
