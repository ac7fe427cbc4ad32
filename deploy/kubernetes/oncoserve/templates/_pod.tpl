{{/* What the pods of frontends and of workers have in common. */}}

{{- define "oncoserve.modelsMount" -}}
{{- if ne .Values.models.source "image" }}
- name: models
  mountPath: /models
  readOnly: true
  {{- if eq .Values.models.source "volume" }}
  {{- with .Values.models.path }}
  subPath: {{ . | quote }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "oncoserve.serviceMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: shm, mountPath: /dev/shm}
- {name: results, mountPath: /var/lib/oncoserve}
{{- if include "oncoserve.secrets" . }}
- {name: secrets, mountPath: /secrets, readOnly: true}
{{- end }}
{{- include "oncoserve.modelsMount" . }}
{{- end }}

{{/* Files: they follow the Secrets while the pod runs, and no variable has what is in them. */}}
{{- define "oncoserve.secrets" -}}
{{- if .Values.objectStore.bucket }}
{{- include "oncoserve.s3Files" (dict "place" .Values.objectStore "folder" "store") }}
{{- end }}
{{- with .Values.postgres }}
{{- if .host }}
- secret: {name: {{ .secret | quote }}, items: [{key: password, path: postgres/password}]}
{{- include "oncoserve.authority" (dict "place" . "folder" "postgres") }}
{{- end }}
{{- end }}
{{- end }}

{{/* Of the bucket of models, for who copies them alone. */}}
{{- define "oncoserve.modelSecrets" -}}
{{- if eq .Values.models.source "s3" }}
{{- include "oncoserve.s3Files" (dict "place" .Values.models "folder" "models") }}
{{- end }}
{{- end }}

{{- define "oncoserve.s3Files" -}}
{{- with .place.secret }}
- secret:
    name: {{ . | quote }}
    items:
      - {key: access_key, path: {{ $.folder }}/access_key}
      - {key: secret_key, path: {{ $.folder }}/secret_key}
{{- end }}
{{- include "oncoserve.authority" . }}
{{- end }}

{{- define "oncoserve.authority" -}}
{{- with .place.caConfigMap }}
- configMap: {name: {{ . | quote }}, items: [{key: ca.crt, path: {{ $.folder }}/ca.crt}]}
{{- end }}
{{- end }}

{{/* Takes `root`, `component` and `gpu`. In memory what Compose has in memory; it counts against the containers' limits. */}}
{{- define "oncoserve.volumes" -}}
{{- $values := .root.Values -}}
- {name: tmp, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
# Of a frontend also the pictures that are looked at (ONCO_VIEWER_CACHE_BYTES).
- {name: shm, emptyDir: {medium: Memory, sizeLimit: {{ ternary "640Mi" "128Mi" (eq .component "frontend") }}}}
# The launcher assembles Triton's backends there, one of which is a shared library: it has to be executable.
- {name: triton-tmp, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
- {name: triton-shm, emptyDir: {medium: Memory, sizeLimit: {{ ternary $values.gpu.shmSize $values.triton.shmSize .gpu }}}}
{{- if include "oncoserve.shared" .root }}
# What is kept of the bucket for a while, and what else may be lost.
- {name: results, emptyDir: {}}
{{- else }}
- name: results
  persistentVolumeClaim:
    claimName: {{ $values.results.claim | default (include "oncoserve.name" .root) | quote }}
{{- end }}
{{- if eq $values.models.source "volume" }}
- name: models
  persistentVolumeClaim: {claimName: {{ $values.models.claim | quote }}, readOnly: true}
{{- else if eq $values.models.source "s3" }}
- {name: models, emptyDir: {sizeLimit: {{ $values.models.size }}}}
{{- end }}
{{- with include "oncoserve.modelSecrets" .root }}
- name: model-secrets
  projected:
    defaultMode: 0440
    sources: {{- . | nindent 6 }}
{{- end }}
{{- with include "oncoserve.secrets" .root }}
- name: secrets
  projected:
    defaultMode: 0440
    sources: {{- . | nindent 6 }}
{{- end }}
{{- if eq .component "frontend" }}
{{- with $values.access.keysSecret }}
- {name: keys, secret: {secretName: {{ . | quote }}, defaultMode: 0440, items: [{key: keys, path: keys}]}}
{{- end }}
{{- end }}
{{- end }}

{{/* Takes `root`, `component`, `gpu`, and `container`, the text of the one beside Triton. */}}
{{- define "oncoserve.pod" -}}
{{- $values := .root.Values -}}
{{- $frontend := $values.frontend -}}
metadata:
  labels:
    {{- include "oncoserve.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    {{- with $values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- $annotations := merge (dict) $values.podAnnotations (.annotations | default dict) }}
  {{- with $annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "oncoserve.serviceAccount" .root }}
  automountServiceAccountToken: false
  # A Service named like ours would set ONCO_* variables, and unknown ones abort the start.
  enableServiceLinks: false
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - {name: {{ . | quote }}}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  # All of it one after the other: drain, the requests under way, five seconds before who hangs is killed, Triton.
  terminationGracePeriodSeconds: {{ add $frontend.drainSeconds $frontend.graceSeconds 5 $values.triton.stopSeconds 5 }}
  initContainers:
    {{- if eq $values.models.source "s3" }}
    - {{- include "oncoserve.fetch" .root | nindent 6 }}
    {{- end }}
    - {{- include "oncoserve.triton" (dict "root" .root "gpu" .gpu) | nindent 6 }}
  containers:
    - {{- .container | nindent 6 }}
  volumes: {{- include "oncoserve.volumes" . | nindent 4 }}
  {{- if .gpu }}
  {{- with $values.gpu.runtimeClass }}
  runtimeClassName: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- with merge (dict) (ternary $values.gpu.nodeSelector dict .gpu) $values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with concat $values.tolerations (ternary $values.gpu.tolerations list .gpu) }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "oncoserve.selector" .root | nindent 10 }}
          app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Takes `root` and `gpu`: nobody shares a claim, and a GPU more than is needed is seldom free. */}}
{{- define "oncoserve.strategy" -}}
{{- if not (include "oncoserve.shared" .root) }}
type: Recreate
{{- else if .gpu }}
type: RollingUpdate
rollingUpdate: {maxSurge: 0, maxUnavailable: 1}
{{- else }}
type: RollingUpdate
rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
{{- end }}
{{- end }}
