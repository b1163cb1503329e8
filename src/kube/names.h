// Names that Kubernetes takes.
#pragma once

#include <string_view>

namespace tenure::kube {

/// RFC 1123: parts of lower-case letters, digits and '-', a letter or a digit at both ends of each;
/// at most 253 bytes. What a Lease may be called, and what may stand before the slash of a label.
/// kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
bool is_dns_subdomain(std::string_view text);

}  // namespace tenure::kube
