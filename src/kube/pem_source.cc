#include "kube/pem_source.h"

#include <fmt/format.h>

#include "auth/small_file.h"
#include "base/base64.h"
#include "kube/kubeconfig_files.h"

namespace tenure::kube {

Status check_pem(const std::string& pem, const std::string& what) {
  if (pem.size() > kMaxPemBytes)
    return failure(ErrorCode::invalid_argument,
                   fmt::format("{} is longer than {} KiB", what, kMaxPemBytes / 1024),
                   "keep only the certificates that are needed");
  if (pem.find("-----BEGIN ") == std::string::npos)
    return failure(ErrorCode::invalid_argument, fmt::format("{} is not PEM", what),
                   "convert it with openssl; it begins with -----BEGIN");
  return {};
}

std::string read_pem(FieldReader& fields, const std::string& name, const std::string& file,
                     std::vector<std::string>& warnings) {
  const std::string data_name = name + "-data";
  const std::string data = fields.text(data_name);
  const std::string path = fields.text(name);
  if (!data.empty()) {
    if (!path.empty())
      warnings.push_back(
          fmt::format("{} is not used, because {} is there", fields.where(name), data_name));
    const auto pem = base64_decoded(data);
    if (!pem) {
      fields.fail(data_name, "is not base64",
                  "write the PEM file's base64, or name the file in " + name);
      return "";
    }
    fields.fail(check_pem(*pem, fields.where(data_name)));
    return *pem;
  }
  if (path.empty()) return "";
  const std::string whole_path = resolved(path, file);
  const auto pem = read_small_file(whole_path, kMaxPemBytes, fields.where(name));
  if (!pem) {
    fields.fail(tl::unexpected(pem.error()));
    return "";
  }
  fields.fail(check_pem(pem->text, fmt::format("{} ({})", whole_path, fields.where(name))));
  return pem->text;
}

}  // namespace tenure::kube
