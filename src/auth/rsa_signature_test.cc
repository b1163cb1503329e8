#include "auth/rsa_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <memory>

#include "auth/testing/google_samples.h"
#include "base/base64.h"

namespace tenure {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_MD_CTX* digest) const { EVP_MD_CTX_free(digest); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;

std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

/// For signatures of another kind.
Key pss_key() {
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA-PSS", nullptr);
  EVP_PKEY* key = nullptr;
  EXPECT_EQ(EVP_PKEY_keygen_init(context), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_rsa_keygen_bits(context, 2048), 1);
  EXPECT_EQ(EVP_PKEY_keygen(context, &key), 1);
  EVP_PKEY_CTX_free(context);
  return Key(key);
}

std::string private_pem(const Key& key, const char* password = nullptr) {
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  EXPECT_EQ(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(),
                                          password != nullptr ? EVP_aes_128_cbc() : nullptr,
                                          password, password != nullptr ? 4 : 0, nullptr, nullptr),
            1);
  return text_of(bio.get());
}

std::string public_pem(const Key& key) {
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  EXPECT_EQ(PEM_write_bio_PUBKEY(bio.get(), key.get()), 1);
  return text_of(bio.get());
}

bool verifies(const Key& key, const std::string& text, const std::string& signature) {
  const std::unique_ptr<EVP_MD_CTX, Free> digest(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(digest.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                          signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                          text.size()) == 1;
}

TEST(RsaSignature, TheExampleOfRfc7515) {
  const auto signature = sign_rs256(
      kPublishedKey,
      "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
      "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ");
  ASSERT_TRUE(signature) << signature.error().to_string();
  EXPECT_EQ(base64url_encoded(*signature),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7"
            "AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4"
            "BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
            "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
            "hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB"
            "p0igcN_IoypGlUPQGe77Rw");
}

TEST(RsaSignature, VerifiesWithLibcryptoAndOnlyForItsText) {
  const Key key(EVP_RSA_gen(2048U));
  const std::string text = "a text, and what follows";
  const auto signature = sign_rs256(private_pem(key), text);
  ASSERT_TRUE(signature) << signature.error().to_string();
  EXPECT_TRUE(verifies(key, text, *signature));
  EXPECT_FALSE(verifies(key, text + ".", *signature));
  EXPECT_TRUE(verifies(key, "", sign_rs256(private_pem(key), "").value()));
}

TEST(RsaSignature, AKeyOfNoUseIsToldWithoutShowingIt) {
  const Key rsa(EVP_RSA_gen(2048U));
  const std::string whole = private_pem(rsa);
  const std::pair<const char*, std::string> keys[] = {
      {"nothing", ""},
      {"no PEM", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"},
      {"a curve", private_pem(Key(EVP_EC_gen("P-256")))},
      {"of another kind", private_pem(pss_key())},
      {"too short", private_pem(Key(EVP_RSA_gen(1024U)))},
      {"encrypted", private_pem(rsa, "word")},  // must not ask at the terminal
      {"public", public_pem(rsa)},
      {"cut off", whole.substr(0, whole.size() / 2)},
      {"damaged", replaced(whole, "A", "!")}};
  for (const auto& [what, pem] : keys) {
    const auto signature = sign_rs256(pem, "text");
    ASSERT_FALSE(signature) << what;
    EXPECT_EQ(signature.error().code, ErrorCode::invalid_argument) << what;
    EXPECT_THAT(signature.error().to_string(), Not(HasSubstr("MII"))) << what;
  }
}

}  // namespace
}  // namespace tenure
