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

{{/* The CRD as the cluster has it; empty where there is none, or no cluster to ask. */}}
{{- define "bullpen.crdInCluster" -}}
{{- lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" "workerpools.bullpen.dev" | toYaml }}
{{- end }}

{{/* Who keeps the CRD that the cluster has: a release as "name in namespace", "kubectl", or nothing when there is none. */}}
{{- define "bullpen.crdOwner" -}}
{{- $found := include "bullpen.crdInCluster" . | fromYaml }}
{{- if $found }}
{{- $notes := $found.metadata.annotations | default dict }}
{{- with index $notes "meta.helm.sh/release-name" }}{{ . }} in {{ index $notes "meta.helm.sh/release-namespace" }}{{ else }}kubectl{{ end }}
{{- end }}
{{- end }}

{{/* "true" when this release makes and upgrades the CRD. Only then is the cluster asked: without crds.install nobody
     needs a right to see CRDs. */}}
{{- define "bullpen.crdIsOurs" -}}
{{- if .Values.crds.install }}
{{- $owner := include "bullpen.crdOwner" . }}
{{- or (eq $owner "") (eq $owner (printf "%s in %s" .Release.Name .Release.Namespace)) }}
{{- else }}false{{ end }}
{{- end }}

{{/* The pods of pools, whichever operator made them. */}}
{{- define "bullpen.workerSelector" -}}
matchExpressions:
  - {key: bullpen.dev/pool, operator: Exists}
{{- end }}

{{/* Rules of a NetworkPolicy: DNS anywhere, and Redis; for what speaks to both. */}}
{{- define "bullpen.redisEgress" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
- ports:
    {{- range .Values.networkPolicy.redis.ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .Values.networkPolicy.redis.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* A rule that lets /metrics be scraped, by the given peers or (none) by all. */}}
{{- define "bullpen.metricsIngress" -}}
- ports:
    - {port: http, protocol: TCP}
  {{- with . }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Labels of an object of the chart that others select: ours, and those of the values. */}}
{{- define "bullpen.labelsAnd" -}}
{{- toYaml (merge (include "bullpen.labels" .context | fromYaml) (.labels | default dict)) }}
{{- end }}
