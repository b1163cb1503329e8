#include "auth/rsa_signature.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <climits>
#include <memory>

namespace tenure {
namespace {

constexpr int kMinKeyBits = 2048;  // RFC 7518, 3.3

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* digest) const { EVP_MD_CTX_free(digest); }
};

/// Otherwise libcrypto would ask for it at the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

std::unique_ptr<EVP_PKEY, Free> read_key(std::string_view pem) {
  if (pem.size() > INT_MAX) return nullptr;
  const std::unique_ptr<BIO, Free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!bio) return nullptr;
  return std::unique_ptr<EVP_PKEY, Free>(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
}

Result<std::string> sign(EVP_PKEY& key, std::string_view text) {
  const auto wrong = failure(ErrorCode::internal, "libcrypto could not sign a token",
                             "try again; if it goes on, report it");
  const std::unique_ptr<EVP_MD_CTX, Free> digest(EVP_MD_CTX_new());
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  if (!digest || EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, &key) != 1 ||
      EVP_DigestSign(digest.get(), nullptr, &size, bytes, text.size()) != 1)
    return wrong;
  std::string signature(size, '\0');
  auto* const target = reinterpret_cast<unsigned char*>(signature.data());
  if (EVP_DigestSign(digest.get(), target, &size, bytes, text.size()) != 1) return wrong;
  signature.resize(size);
  return signature;
}

}  // namespace

Result<std::string> sign_rs256(std::string_view pem, std::string_view text) {
  const auto key = read_key(pem);
  const bool is_rsa = key && EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA;
  auto signature = is_rsa && EVP_PKEY_get_bits(key.get()) >= kMinKeyBits
                       ? sign(*key, text)
                       : failure(ErrorCode::invalid_argument,
                                 "the private key is not an unencrypted RSA key, in PEM, of 2048 "
                                 "bits or more",
                                 "download the key file again, or make a new one");
  // This thread's queue of errors is libcurl's, too.
  ERR_clear_error();
  return signature;
}

}  // namespace tenure
