{{/* The name that all objects of this release start with. */}}
{{- define "engram.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The templates below take a dictionary: "root" is the top scope, "service" is one of
storage, embedding and search.
*/}}

{{- define "engram.serviceName" -}}
{{ include "engram.fullname" .root }}-{{ .service }}
{{- end -}}

{{/* The config map of embedding's remote models. */}}
{{- define "engram.providersName" -}}
{{ include "engram.fullname" . }}-providers-{{ toYaml .Values.embedding.providers | sha256sum | trunc 8 }}
{{- end -}}

{{/* What selects a service's pods. Never changes, for selectors cannot. */}}
{{- define "engram.selectorLabels" -}}
app.kubernetes.io/name: engram
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{- define "engram.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{ include "engram.selectorLabels" . }}
{{- end -}}

{{- define "engram.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "engram.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{/* A pod's metadata; "metricsPort" is where its metrics page is. */}}
{{- define "engram.podMetadata" -}}
labels:
  {{- include "engram.labels" . | nindent 2 }}
{{- $annotations := dict -}}
{{- if .root.Values.metrics.annotations -}}
{{- $annotations = dict "prometheus.io/scrape" "true" "prometheus.io/port" (toString .metricsPort) "prometheus.io/path" "/metrics" -}}
{{- end -}}
{{- with merge (dict) (index .root.Values .service).podAnnotations $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What every pod has beside its containers and volumes. */}}
{{- define "engram.podSettings" -}}
{{- $values := index .root.Values .service -}}
serviceAccountName: {{ include "engram.serviceAccountName" .root }}
automountServiceAccountToken: false
# The variables of other services would only be noise, and can clash with ENGRAM_*.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What every container has beside its arguments, ports and probes. */}}
{{- define "engram.containerSettings" -}}
{{- $values := index .root.Values .service -}}
image: {{ printf "%sengram-%s:%s" .root.Values.image.prefix .service (.root.Values.image.tag | default .root.Chart.AppVersion) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources:
  {{- toYaml $values.resources | nindent 2 }}
{{- with $values.env }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A Service; "port" is its gRPC port. */}}
{{- define "engram.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "engram.serviceName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "engram.labels" . | nindent 4 }}
spec:
  type: ClusterIP
  selector:
    {{- include "engram.selectorLabels" . | nindent 4 }}
  ports:
    - name: grpc
      port: {{ .port }}
      targetPort: grpc
      appProtocol: kubernetes.io/h2c
{{- end -}}
