{{/* The containers. Security is that of docker-compose.yml: not root, nothing writable but what is mounted, no rights. */}}

{{- define "oncoserve.hardened" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
privileged: false
readOnlyRootFilesystem: true
{{- end }}

{{/* A list of variables from `own`, which the chart says, and `further`, which may say others. */}}
{{- define "oncoserve.env" -}}
{{- range $name, $value := .own }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- range $name, $value := .further }}
{{- if and (ne $.where "triton") (hasPrefix "ONCO_TRITON_" $name) }}
{{- fail (printf "%s.env.%s: the launcher reads it, so it belongs into triton.env." $.where $name) }}
{{- end }}
{{- if hasKey $.own $name }}
{{- fail (printf "%s.env.%s: the chart sets it by another value." $.where $name) }}
{{- end }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}

{{/* The launcher's port is on loopback, where no probe of the kubelet comes; and by no proxy, whatever the environment. */}}
{{- define "oncoserve.askLauncher" -}}
exec:
  command:
    - python
    - -c
    - |
      from http.client import HTTPConnection
      launcher = HTTPConnection("127.0.0.1", 8003, timeout=4)
      launcher.request("GET", "/{{ . }}")
      raise SystemExit(launcher.getresponse().status != 200)
{{- end }}

{{/* Takes `root` and `gpu`. */}}
{{- define "oncoserve.triton" -}}
{{- $values := .root.Values -}}
{{- $startup := ternary $values.gpu.startupSeconds $values.triton.startupSeconds .gpu | int -}}
{{- $env := dict
  "ONCO_TRITON_LOG_FILE" "/dev/stderr"
  "ONCO_TRITON_LOG_LEVEL" "warning"
  "ONCO_TRITON_OTLP_ENDPOINT" $values.otlpEndpoint
  "ONCO_TRITON_STARTUP_TIMEOUT_S" $startup
  "ONCO_TRITON_STOP_GRACE_S" (int $values.triton.stopSeconds)
  "ONCO_TRITON_THREADS" (int $values.triton.threads)
  "ONCO_TRITON_WORK_DIRECTORY" "/tmp/triton" -}}
{{- if ne $values.models.source "image" }}{{ $_ := set $env "ONCO_TRITON_MODEL_REPOSITORY" "/models" }}{{ end -}}
{{- if .gpu }}
{{- $_ := set $env "ONCO_TRITON_DEVICE" "gpu" }}
{{- $_ := set $env "ONCO_TRITON_GPU_INSTANCES" (int $values.gpu.instances) }}
{{- end -}}
name: triton
image: {{ include "oncoserve.image" (dict "root" .root "which" (ternary "tritonGpu" "triton" .gpu)) | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
# Beside the others from before their start to after their end. It listens on loopback: Triton has no authentication.
restartPolicy: Always
env: {{- include "oncoserve.env" (dict "own" $env "further" $values.triton.env "where" "triton") | nindent 2 }}
# The frontend starts when every model is loaded and warm; the launcher itself gives up a little earlier.
startupProbe:
  {{- include "oncoserve.askLauncher" "readyz" | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ add (div $startup 5) 6 }}
# The launcher brings Triton back by itself, in seconds; this is for a launcher that hangs.
livenessProbe:
  {{- include "oncoserve.askLauncher" "livez" | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 12
resources:
{{- if .gpu }}
{{- $gpus := dict $values.gpu.resource (int $values.gpu.count) }}
{{- $limits := merge (dict) $gpus ($values.gpu.resources.limits | default dict) }}
  {{- toYaml (merge (dict "limits" $limits) $values.gpu.resources) | nindent 2 }}
{{- else }}
  {{- toYaml $values.triton.resources | nindent 2 }}
{{- end }}
securityContext: {{- include "oncoserve.hardened" . | nindent 2 }}
volumeMounts:
  - {name: triton-tmp, mountPath: /tmp}
  - {name: triton-shm, mountPath: /dev/shm}
{{- include "oncoserve.modelsMount" .root | nindent 2 }}
{{- end }}

{{/* The variables that frontends and workers have in common. */}}
{{- define "oncoserve.serviceEnv" -}}
{{- $values := .Values -}}
{{- $env := dict
  "ONCO_DRAIN_S" (int $values.frontend.drainSeconds)
  "ONCO_INFERENCE_URL" "127.0.0.1:8001"
  "ONCO_OTLP_ENDPOINT" $values.otlpEndpoint
  "ONCO_RESULTS_DIR" "/var/lib/oncoserve"
  "ONCO_SHUTDOWN_GRACE_S" (int $values.frontend.graceSeconds) -}}
{{- if ne $values.models.source "image" }}{{ $_ := set $env "ONCO_MODEL_REPOSITORY" "/models" }}{{ end -}}
{{- with $values.objectStore }}
{{- if .bucket }}
{{- $_ := merge $env (dict
  "ONCO_OBJECT_STORE" "s3"
  "ONCO_OBJECT_CACHE_BYTES" (int64 .cacheBytes | toString)
  "ONCO_S3_BUCKET" .bucket
  "ONCO_S3_PREFIX" .prefix) (include "oncoserve.s3Env" (dict "place" . "folder" "store") | fromYaml) }}
{{- end }}
{{- end }}
{{- with $values.postgres }}
{{- if .host }}
{{- $_ := merge $env (dict
  "ONCO_JOBS" "postgres"
  "ONCO_POSTGRES_PASSWORD_FILE" "/secrets/postgres/password"
  "ONCO_POSTGRES_TLS" (toString .tls)
  "ONCO_POSTGRES_URL" (printf "postgresql://%s@%s:%d/%s" .user .host (int .port) .database)) }}
{{- if .caConfigMap }}{{ $_ := set $env "ONCO_POSTGRES_CA_FILE" "/secrets/postgres/ca.crt" }}{{ end }}
{{- end }}
{{- end }}
{{- toYaml $env }}
{{- end }}

{{/* Takes `place`, which has a bucket, and `folder`, where its keys are mounted. */}}
{{- define "oncoserve.s3Env" -}}
{{- $env := dict "ONCO_S3_ENDPOINT" .place.endpoint "ONCO_S3_REGION" .place.region -}}
{{- if .place.secret }}
{{- $_ := set $env "ONCO_S3_ACCESS_KEY_FILE" (printf "/secrets/%s/access_key" .folder) }}
{{- $_ := set $env "ONCO_S3_SECRET_KEY_FILE" (printf "/secrets/%s/secret_key" .folder) }}
{{- end }}
{{- if .place.caConfigMap }}{{ $_ := set $env "ONCO_S3_CA_FILE" (printf "/secrets/%s/ca.crt" .folder) }}{{ end }}
{{- toYaml $env }}
{{- end }}

{{- define "oncoserve.frontend" -}}
{{- $values := .Values -}}
{{- $env := merge (dict
  "ONCO_ALLOW_ANONYMOUS" (toString $values.access.allowAnonymous)
  "ONCO_HOST" "0.0.0.0"
  "ONCO_INFERENCE_METRICS_URL" "127.0.0.1:8002"
  "ONCO_JOB_WORKERS" (ternary 0 1 (gt (len $values.workers) 0))
  "ONCO_PORT" 5000
  "ONCO_WORKERS" (toString $values.frontend.processes)) (include "oncoserve.serviceEnv" . | fromYaml) -}}
{{- if $values.access.keysSecret }}{{ $_ := set $env "ONCO_API_KEYS_FILE" "/keys/keys" }}{{ end -}}
name: frontend
image: {{ include "oncoserve.image" (dict "root" . "which" "frontend") | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
env: {{- include "oncoserve.env" (dict "own" $env "further" $values.frontend.env "where" "frontend") | nindent 2 }}
ports:
  - {name: http, containerPort: 5000, protocol: TCP}
startupProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
resources: {{- toYaml $values.frontend.resources | nindent 2 }}
securityContext: {{- include "oncoserve.hardened" . | nindent 2 }}
volumeMounts: {{- include "oncoserve.serviceMounts" . | nindent 2 }}
{{- if $values.access.keysSecret }}
  - {name: keys, mountPath: /keys, readOnly: true}
{{- end }}
{{- end }}

{{/* Takes `root` and `worker`. */}}
{{- define "oncoserve.worker" -}}
{{- $values := .root.Values -}}
{{- $env := include "oncoserve.serviceEnv" .root | fromYaml -}}
{{- with .worker.models }}{{ $_ := set $env "ONCO_JOB_MODELS" (join "," .) }}{{ end -}}
name: worker
image: {{ include "oncoserve.image" (dict "root" .root "which" "frontend") | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
command: [python, -m, oncoserve, worker]
env: {{- include "oncoserve.env" (dict "own" $env "further" $values.frontend.env "where" "frontend") | nindent 2 }}
# It writes the time there every other second.
livenessProbe:
  exec: {command: [sh, -c, "find /dev/shm/oncoserve-*/worker.alive -mmin -0.5 | grep -q ."]}
  initialDelaySeconds: 30
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
resources: {{- toYaml $values.frontend.resources | nindent 2 }}
securityContext: {{- include "oncoserve.hardened" . | nindent 2 }}
volumeMounts: {{- include "oncoserve.serviceMounts" .root | nindent 2 }}
{{- end }}

{{/* Copies the model repository out of its bucket: Triton and the cards are read from files. */}}
{{- define "oncoserve.fetch" -}}
{{- $env := include "oncoserve.s3Env" (dict "place" .Values.models "folder" "models") | fromYaml -}}
name: models
image: {{ include "oncoserve.image" (dict "root" . "which" "frontend") | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [python, -m, oncoserve, storage, fetch, {{ .Values.models.url | quote }}, --to, /models]
env: {{- include "oncoserve.env" (dict "own" $env "further" dict "where" "models") | nindent 2 }}
resources:
  requests: {cpu: 100m, memory: 128Mi}
  limits: {memory: 512Mi}
securityContext: {{- include "oncoserve.hardened" . | nindent 2 }}
volumeMounts:
  - {name: models, mountPath: /models}
  - {name: tmp, mountPath: /tmp}
  {{- if include "oncoserve.modelSecrets" . }}
  - {name: model-secrets, mountPath: /secrets, readOnly: true}
  {{- end }}
{{- end }}
