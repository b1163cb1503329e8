// Names that Kubernetes takes.
#pragma once

#include <string_view>

namespace tenure::kube {

/// RFC 1123: parts of lower-case letters, digits and '-', a letter or a digit at both ends of each;
/// at most 253 bytes. What a Lease may be called, and what may stand before the slash of a label.
/// kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
bool is_dns_subdomain(std::string_view text);

/// Letters, digits, '-', '_' and '.', at most 63, the first and the last a letter or a digit: the
/// value of a label that is not empty, and what stands after the slash of its key.
/// kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
bool is_label_word(std::string_view text);
/// The key of a label, with a DNS subdomain and a slash before it or without.
bool is_label_key(std::string_view text);

}  // namespace tenure::kube
