// Kubeconfigs in the shapes that the usual tools write, with invented contents. In place of base64
// texts stand marks for filled_in().
#pragma once

#include <string>
#include <utility>

#include "base/base64.h"

namespace tenure::kube {

constexpr const char* kCa = "-----BEGIN CERTIFICATE-----\nQ0E=\n-----END CERTIFICATE-----\n";
constexpr const char* kCertificate =
    "-----BEGIN CERTIFICATE-----\nY2VydA==\n-----END CERTIFICATE-----\n";
constexpr const char* kKey =
    "-----BEGIN RSA PRIVATE KEY-----\na2V5\n-----END RSA PRIVATE KEY-----\n";

/// Puts kCa for @CA@, kCertificate for @CERT@ and kKey for @KEY@.
inline std::string filled_in(std::string text) {
  const std::pair<std::string, const char*> blobs[] = {
      {"@CA@", kCa}, {"@CERT@", kCertificate}, {"@KEY@", kKey}};
  for (const auto& [mark, pem] : blobs)
    for (std::size_t at = 0; (at = text.find(mark)) != std::string::npos;)
      text.replace(at, mark.size(), base64_encoded(pem));
  return text;
}

constexpr const char* kKind = R"(apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: @CA@
    server: https://127.0.0.1:35689
  name: kind-kind
contexts:
- context:
    cluster: kind-kind
    user: kind-kind
  name: kind-kind
current-context: kind-kind
kind: Config
preferences: {}
users:
- name: kind-kind
  user:
    client-certificate-data: @CERT@
    client-key-data: @KEY@
)";

constexpr const char* kMinikube = R"(apiVersion: v1
clusters:
- cluster:
    certificate-authority: .minikube/ca.crt
    extensions:
    - extension:
        last-update: Tue, 06 Jan 2026 09:00:00 CET
        provider: minikube.sigs.k8s.io
        version: v1.37.0
      name: cluster_info
    server: https://192.168.49.2:8443
  name: minikube
contexts:
- context:
    cluster: minikube
    extensions:
    - extension:
        last-update: Tue, 06 Jan 2026 09:00:00 CET
      name: context_info
    namespace: staging
    user: minikube
  name: minikube
current-context: minikube
kind: Config
preferences: {}
users:
- name: minikube
  user:
    client-certificate: .minikube/profiles/minikube/client.crt
    client-key: .minikube/profiles/minikube/client.key
)";

constexpr const char* kGke = R"(apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: @CA@
    server: https://203.0.113.7
  name: gke_acme-prod_europe-west1_main
contexts:
- context:
    cluster: gke_acme-prod_europe-west1_main
    user: gke_acme-prod_europe-west1_main
  name: gke_acme-prod_europe-west1_main
current-context: gke_acme-prod_europe-west1_main
kind: Config
preferences: {}
users:
- name: gke_acme-prod_europe-west1_main
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args: null
      command: gke-gcloud-auth-plugin
      env: null
      installHint: |-
        Install gke-gcloud-auth-plugin:
        gcloud components install gke-gcloud-auth-plugin
      interactiveMode: IfAvailable
      provideClusterInfo: true
)";

constexpr const char* kEks = R"(apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: @CA@
    server: https://ABCDEF0123456789.gr7.eu-central-1.eks.amazonaws.com
  name: arn:aws:eks:eu-central-1:123456789012:cluster/main
contexts:
- context:
    cluster: arn:aws:eks:eu-central-1:123456789012:cluster/main
    user: arn:aws:eks:eu-central-1:123456789012:cluster/main
  name: main
current-context: main
kind: Config
users:
- name: arn:aws:eks:eu-central-1:123456789012:cluster/main
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args:
      - --region
      - eu-central-1
      - eks
      - get-token
      - --cluster-name
      - main
      - --output
      - json
      command: aws
      env:
      - name: AWS_PROFILE
        value: production
)";

constexpr const char* kK3s = R"(apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: @CA@
    server: https://127.0.0.1:6443
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: @CERT@
    client-key-data: @KEY@
)";

constexpr const char* kRancher = R"(apiVersion: v1
kind: Config
clusters:
- name: "edge"
  cluster:
    server: "https://rancher.example.com/k8s/clusters/c-m-4x7b9k2p/"
- name: "edge-node1"
  cluster:
    server: "https://198.51.100.20:6443"
    certificate-authority-data: "@CA@"

users:
- name: "edge"
  user:
    token: "kubeconfig-user-abc12:s3cr3t"


contexts:
- name: "edge"
  context:
    user: "edge"
    cluster: "edge"
- name: "edge-node1"
  context:
    user: "edge"
    cluster: "edge-node1"

current-context: "edge"
)";

/// As `kubectl config view -o json` prints it.
constexpr const char* kJson = R"({
    "kind": "Config",
    "apiVersion": "v1",
    "preferences": {},
    "clusters": [{"name": "hub", "cluster": {"server": "https://hub.example.com:6443",
        "tls-server-name": "kubernetes", "proxy-url": "socks5://localhost:1080",
        "insecure-skip-tls-verify": true, "disable-compression": true}}],
    "users": [{"name": "operator", "user": {"username": "admin", "password": "pa:ss wörd",
        "as": "jane", "as-uid": "4711", "as-groups": ["dev", "ops"],
        "as-user-extra": {"reason": ["night shift", "ticket 12"]}}}],
    "contexts": [{"name": "hub", "context": {"cluster": "hub", "user": "operator",
        "namespace": "election"}}],
    "current-context": "hub"
})";

constexpr const char* kSamples[] = {kKind, kMinikube, kGke, kEks, kK3s, kRancher, kJson};

}  // namespace tenure::kube
