{{- define "bullpen.name" -}}
{{ printf "%s-operator" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "bullpen.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (include "bullpen.name" .) }}
{{- end }}

{{- define "bullpen.selectorLabels" -}}
app.kubernetes.io/name: bullpen-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "bullpen.labels" -}}
{{ include "bullpen.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The operator itself, as the subject of a binding. */}}
{{- define "bullpen.subjects" -}}
- kind: ServiceAccount
  name: {{ include "bullpen.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* What the operator does, and no verb more: it watches pools and their Deployments, writes Deployments and the
     pools' status by patch (server-side apply creates by patch, and asks for both verbs), gives the pods that are to go
     a deletion cost, looks for other scalers of its Deployments, and posts Events. */}}
{{- define "bullpen.rules" -}}
- apiGroups: [bullpen.dev]
  resources: [workerpools]
  verbs: [list, watch]
- apiGroups: [bullpen.dev]
  resources: [workerpools/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* Namespaces in which the operator may get the Redis Secrets, one a line. */}}
{{- define "bullpen.secretNamespaces" -}}
{{- if eq .Values.scope "namespace" }}
{{- .Release.Namespace }}
{{- else }}
{{- .Values.redis.secretNamespaces | default (list .Release.Namespace) | join "\n" }}
{{- end }}
{{- end }}
