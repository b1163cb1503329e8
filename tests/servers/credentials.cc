#include "credentials.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iomanip>
#include <memory>
#include <sstream>

#include "runtime/clock.h"
#include "runtime/unique_fd.h"

namespace tenure::test {
namespace {

constexpr std::size_t kLargestFile = 1U << 20U;

std::string base64(const std::string& bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

struct OpensslDelete {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(BIO* memory) const { BIO_free(memory); }
};
template <class Object>
using Owned = std::unique_ptr<Object, OpensslDelete>;

template <class Write>
std::string pem_text(Write write) {
  const Owned<BIO> memory(BIO_new(BIO_s_mem()));
  if (!memory || write(memory.get()) != 1) return "";
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

Owned<BIO> reader(const std::string& pem) {
  return Owned<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

void name(X509* certificate, const char* field, const std::string& value) {
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), field, MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1, 0);
}

void extend(X509* certificate, int kind, const char* value) {
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, nullptr, kind, value));
  if (extension) X509_add_ext(certificate, extension.get(), -1);
}

/// Signed by itself where there is no authority.
Result<PemPair> finish_certificate(X509* certificate, EVP_PKEY* key, X509* issuer,
                                   EVP_PKEY* issuer_key, Duration valid_for) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(valid_for).count();
  SystemRandom random;
  const bool made =
      X509_set_version(certificate, X509_VERSION_3) == 1 &&
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), random.next() >> 1U) == 1 &&
      X509_gmtime_adj(X509_getm_notBefore(certificate), -60) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(certificate), seconds) != nullptr &&
      X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
      X509_set_pubkey(certificate, key) == 1 &&
      X509_sign(certificate, issuer_key, EVP_sha256()) > 0;
  PemPair pair{pem_text([&](BIO* out) { return PEM_write_bio_X509(out, certificate); }),
               pem_text([&](BIO* out) {
                 return PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
               })};
  if (made && !pair.certificate.empty() && !pair.key.empty()) return pair;
  return failure(ErrorCode::internal, "cannot make a certificate", "see what this OpenSSL can do");
}

}  // namespace

std::string random_word() {
  SystemRandom random;
  std::ostringstream text;
  text << std::hex << std::setfill('0') << std::setw(16) << random.next() << std::setw(16)
       << random.next();
  return text.str();
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kLargestFile + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || !file.eof())
    return failure(ErrorCode::not_found, "cannot read " + path, "see whether it is there");
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

Status write_secret_file(const std::string& path, const std::string& content) {
  const std::string beside = path + ".new";
  unlink(beside.c_str());
  const UniqueFd file(open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file &&
      write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
      rename(beside.c_str(), path.c_str()) == 0)
    return {};
  return failure(ErrorCode::unavailable, "cannot write " + path,
                 "see whether its folder is there, writable, and has room");
}

Status write_signing_key(const std::string& path) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), BIO_free);
  // Not PKCS #8, which kube-apiserver does not take as the key that verifies.
  if (!key || !memory ||
      PEM_write_bio_PrivateKey_traditional(memory.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                           nullptr) != 1)
    return failure(ErrorCode::internal, "cannot make a P-256 key for " + path,
                   "see whether this OpenSSL knows the curve");
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return write_secret_file(path, std::string(text, static_cast<std::size_t>(size)));
}

Result<PemPair> make_client_authority() {
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> certificate(X509_new());
  name(certificate.get(), "CN", "clients of the tests");
  extend(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  return finish_certificate(certificate.get(), key.get(), certificate.get(), key.get(),
                            std::chrono::hours(24));
}

Result<PemPair> issue_client_certificate(const PemPair& authority, const std::string& user,
                                         const std::string& group, Duration valid_for) {
  const Owned<BIO> certificate_pem = reader(authority.certificate);
  const Owned<BIO> key_pem = reader(authority.key);
  const Owned<X509> issuer(PEM_read_bio_X509(certificate_pem.get(), nullptr, nullptr, nullptr));
  const Owned<EVP_PKEY> issuer_key(
      PEM_read_bio_PrivateKey(key_pem.get(), nullptr, nullptr, nullptr));
  if (!issuer || !issuer_key)
    return failure(ErrorCode::invalid_argument, "this is no authority for clients",
                   "use make_client_authority()");
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> certificate(X509_new());
  name(certificate.get(), "O", group);
  name(certificate.get(), "CN", user);
  extend(certificate.get(), NID_ext_key_usage, "clientAuth");
  return finish_certificate(certificate.get(), key.get(), issuer.get(), issuer_key.get(),
                            valid_for);
}

std::string last_certificate(const std::string& pem) {
  const std::size_t begin = pem.rfind("-----BEGIN CERTIFICATE-----");
  return begin == std::string::npos ? "" : pem.substr(begin);
}

std::string kubeconfig_text(const std::string& server_url, const std::string& ca_pem,
                            const std::string& user, const std::string& token) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: test\n"
         "clusters:\n- name: test\n  cluster:\n    server: " +
         server_url + "\n    certificate-authority-data: " + base64(ca_pem) +
         "\nusers:\n- name: " + user + "\n  user:\n    token: " + token +
         "\ncontexts:\n- name: test\n  context:\n    cluster: test\n    user: " + user + "\n";
}

}  // namespace tenure::test
