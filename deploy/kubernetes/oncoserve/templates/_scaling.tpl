{{/* What adds and removes pods. */}}

{{- define "oncoserve.behaviour" -}}
scaleDown:
  stabilizationWindowSeconds: {{ .Values.scaling.quietSeconds }}
{{- end }}

{{- define "oncoserve.query" -}}
{{- if .Values.scaling.query -}}
{{- .Values.scaling.query -}}
{{- else -}}
sum(nv_inference_pending_request_count{namespace="{{ .Release.Namespace }}",pod=~"{{ include "oncoserve.name" . }}-.*"})
{{- end -}}
{{- end }}

{{/* Takes a worker. The names of models are letters, digits and ._- by the schema, so nothing has to be escaped. */}}
{{- define "oncoserve.backlogQuery" -}}
SELECT count(*) FROM messages{{ with .models }} WHERE model IN ('{{ join "','" . }}'){{ end }}
{{- end }}

{{/* Takes `root`, `component`, `name`, `least`, `most` and `metric`, the text of one. */}}
{{- define "oncoserve.hpa" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}
  labels: {{- include "oncoserve.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .name }}}
  minReplicas: {{ .least }}
  maxReplicas: {{ .most }}
  behavior: {{- include "oncoserve.behaviour" .root | nindent 4 }}
  metrics:
    - {{- .metric | nindent 6 }}
{{- end }}

{{/* The same, with `trigger`. */}}
{{- define "oncoserve.scaledObject" -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .name }}
  labels: {{- include "oncoserve.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  scaleTargetRef: {name: {{ .name }}}
  minReplicaCount: {{ .least }}
  maxReplicaCount: {{ .most }}
  # Of the last pod, where none is the least.
  cooldownPeriod: {{ .root.Values.scaling.quietSeconds }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {{- include "oncoserve.behaviour" .root | nindent 8 }}
  triggers:
    - {{- .trigger | nindent 6 }}
{{- end }}
