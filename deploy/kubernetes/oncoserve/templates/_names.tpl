{{/* Names, labels and images. */}}

{{- define "oncoserve.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (.Release.Name | trunc 30 | trimSuffix "-") .Chart.Name -}}
{{- end -}}
{{- end }}

{{- define "oncoserve.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "oncoserve.labels" -}}
{{ include "oncoserve.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{/* Takes the name of the image's value. */}}
{{- define "oncoserve.image" -}}
{{- $image := .root.Values.image -}}
{{- printf "%s%s:%s" $image.registry (get $image .which) ($image.tag | default .root.Chart.AppVersion) -}}
{{- end }}

{{- define "oncoserve.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "oncoserve.name" .) -}}
{{- end }}

{{/* "true" where any number of pods can share what is kept. */}}
{{- define "oncoserve.shared" -}}
{{- if and .Values.objectStore.bucket .Values.postgres.host }}true{{ end -}}
{{- end }}
