#include "credentials.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
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
