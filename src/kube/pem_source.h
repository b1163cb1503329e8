// Certificates and keys in a kubeconfig: the field X-data (base64) or the file that X names.
//
// Thread safety: functions without state. Blocks for as long as reading the file takes.
#pragma once

#include <string>
#include <vector>

#include "kube/field_reader.h"
#include "tenure/result.h"

namespace tenure::kube {

/// Empty when neither field is there. The data wins, with a warning. `file` is the kubeconfig.
/// Failures go to `fields`.
std::string read_pem(FieldReader& fields, const std::string& name, const std::string& file,
                     std::vector<std::string>& warnings);

/// Whether it may be a PEM text of a bearable size; errors begin with `what`.
Status check_pem(const std::string& pem, const std::string& what);

constexpr std::size_t kMaxPemBytes = 256U * 1024U;

}  // namespace tenure::kube
