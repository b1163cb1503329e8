#include "auth/rsa_signature.h"

#include <dlfcn.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <climits>
#include <memory>

namespace tenure {
namespace {

constexpr int kMinKeyBits = 2048;  // RFC 7518, 3.3

/// The few functions of libcrypto, by the types that its headers give them.
struct Crypto {
  void* library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
  bool complete = library != nullptr;

  decltype(&::BIO_new_mem_buf) new_bio = find<decltype(&::BIO_new_mem_buf)>("BIO_new_mem_buf");
  decltype(&::BIO_free) free_bio = find<decltype(&::BIO_free)>("BIO_free");
  decltype(&::PEM_read_bio_PrivateKey) read_key =
      find<decltype(&::PEM_read_bio_PrivateKey)>("PEM_read_bio_PrivateKey");
  decltype(&::EVP_PKEY_free) free_key = find<decltype(&::EVP_PKEY_free)>("EVP_PKEY_free");
  decltype(&::EVP_PKEY_get_base_id) kind_of =
      find<decltype(&::EVP_PKEY_get_base_id)>("EVP_PKEY_get_base_id");
  decltype(&::EVP_PKEY_get_bits) bits_of =
      find<decltype(&::EVP_PKEY_get_bits)>("EVP_PKEY_get_bits");
  decltype(&::EVP_MD_CTX_new) new_digest = find<decltype(&::EVP_MD_CTX_new)>("EVP_MD_CTX_new");
  decltype(&::EVP_MD_CTX_free) free_digest = find<decltype(&::EVP_MD_CTX_free)>("EVP_MD_CTX_free");
  decltype(&::EVP_sha256) sha256 = find<decltype(&::EVP_sha256)>("EVP_sha256");
  decltype(&::EVP_DigestSignInit) begin =
      find<decltype(&::EVP_DigestSignInit)>("EVP_DigestSignInit");
  decltype(&::EVP_DigestSign) sign = find<decltype(&::EVP_DigestSign)>("EVP_DigestSign");
  decltype(&::ERR_clear_error) forget_errors =
      find<decltype(&::ERR_clear_error)>("ERR_clear_error");

 private:
  template <class Function>
  Function find(const char* name) {
    void* const found = library != nullptr ? dlsym(library, name) : nullptr;
    complete = complete && found != nullptr;
    return reinterpret_cast<Function>(found);
  }
};

const Crypto& crypto() {
  static const Crypto loaded;  // for good: libcurl may use it until the end
  return loaded;
}

struct Free {
  void operator()(BIO* bio) const { crypto().free_bio(bio); }
  void operator()(EVP_PKEY* key) const { crypto().free_key(key); }
  void operator()(EVP_MD_CTX* digest) const { crypto().free_digest(digest); }
};

/// Otherwise libcrypto would ask for it at the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

std::unique_ptr<EVP_PKEY, Free> read_key(std::string_view pem) {
  if (pem.size() > INT_MAX) return nullptr;
  const std::unique_ptr<BIO, Free> bio(crypto().new_bio(pem.data(), static_cast<int>(pem.size())));
  if (!bio) return nullptr;
  return std::unique_ptr<EVP_PKEY, Free>(
      crypto().read_key(bio.get(), nullptr, no_password, nullptr));
}

Result<std::string> sign(EVP_PKEY& key, std::string_view text) {
  const auto wrong = failure(ErrorCode::internal, "libcrypto could not sign a token",
                             "try again; if it goes on, report it");
  const std::unique_ptr<EVP_MD_CTX, Free> digest(crypto().new_digest());
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  if (!digest || crypto().begin(digest.get(), nullptr, crypto().sha256(), nullptr, &key) != 1 ||
      crypto().sign(digest.get(), nullptr, &size, bytes, text.size()) != 1)
    return wrong;
  std::string signature(size, '\0');
  auto* const target = reinterpret_cast<unsigned char*>(signature.data());
  if (crypto().sign(digest.get(), target, &size, bytes, text.size()) != 1) return wrong;
  signature.resize(size);
  return signature;
}

}  // namespace

Result<std::string> sign_rs256(std::string_view pem, std::string_view text) {
  if (!crypto().complete)
    return failure(ErrorCode::unsupported,
                   "cannot load libcrypto.so.3 of OpenSSL 3, which signs with private keys",
                   "install it, on Debian with: apt-get install libssl3");
  const auto key = read_key(pem);
  const bool is_rsa = key && crypto().kind_of(key.get()) == EVP_PKEY_RSA;
  auto signature = is_rsa && crypto().bits_of(key.get()) >= kMinKeyBits
                       ? sign(*key, text)
                       : failure(ErrorCode::invalid_argument,
                                 "the private key is not an unencrypted RSA key, in PEM, of 2048 "
                                 "bits or more",
                                 "download the key file again, or make a new one");
  // This thread's queue of errors is libcurl's, too.
  crypto().forget_errors();
  return signature;
}

}  // namespace tenure
