// SHA-256 in base 64 (FIPS 180-4, RFC 4648): how a browser names a style or a script. For tests: it
// is neither fast nor made for secrets.
//
//   "'sha256-" + sha256_base64(script) + "'"
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

namespace tenure {

namespace sha256 {

using Words = std::array<std::uint32_t, 8>;

/// The first 32 bits of the fraction of n's square (2) or cube root (3): the standard's constants.
inline std::uint32_t root_bits(std::uint32_t n, unsigned power) {
  __extension__ using Wide = unsigned __int128;
  std::uint64_t root = 0;
  for (std::uint64_t bit = 1ULL << 36U; bit != 0; bit >>= 1U) {
    const Wide x = root | bit;
    if ((power == 2 ? x * x : x * x * x) <= Wide{n} << (32U * power)) root |= bit;
  }
  return static_cast<std::uint32_t>(root);
}

inline std::array<std::uint32_t, 64> first_primes() {
  std::array<std::uint32_t, 64> primes{};
  std::size_t found = 0;
  for (std::uint32_t n = 2; found < primes.size(); ++n) {
    bool prime = true;
    for (std::size_t i = 0; i < found; ++i) prime = prime && n % primes[i] != 0;
    if (prime) primes[found++] = n;
  }
  return primes;
}

inline void add_block(Words& h, const char* block) {
  static const auto primes = first_primes();
  std::array<std::uint32_t, 64> w{};
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 4; ++j)
      w[i] = w[i] << 8U | static_cast<unsigned char>(block[i * 4 + j]);
  for (std::size_t i = 16; i < 64; ++i)
    w[i] = w[i - 16] + w[i - 7] +
           (std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3U) +
           (std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10U);
  Words v = h;  // a to h of the standard
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint32_t one = v[7] +
                              (std::rotr(v[4], 6) ^ std::rotr(v[4], 11) ^ std::rotr(v[4], 25)) +
                              ((v[4] & v[5]) ^ (~v[4] & v[6])) + root_bits(primes[i], 3) + w[i];
    const std::uint32_t two = (std::rotr(v[0], 2) ^ std::rotr(v[0], 13) ^ std::rotr(v[0], 22)) +
                              ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    v = {one + two, v[0], v[1], v[2], v[3] + one, v[4], v[5], v[6]};
  }
  for (std::size_t i = 0; i < h.size(); ++i) h[i] += v[i];
}

}  // namespace sha256

inline std::string sha256_base64(std::string text) {
  const std::uint64_t bits = text.size() * 8;
  text += '\x80';
  while (text.size() % 64 != 56) text += '\0';
  for (unsigned shift = 64; shift > 0; shift -= 8) text += static_cast<char>(bits >> (shift - 8));
  sha256::Words h{};
  for (std::size_t i = 0; i < h.size(); ++i) h[i] = sha256::root_bits(sha256::first_primes()[i], 2);
  for (std::size_t at = 0; at < text.size(); at += 64) sha256::add_block(h, &text[at]);
  std::string out;
  for (std::size_t bit = 0; bit < 258; bit += 6) {  // 256, and two that are zero
    std::size_t six = 0;
    for (std::size_t i = bit; i < bit + 6; ++i)
      six = six << 1U | (i < 256 ? h[i / 32] >> (31 - i % 32) & 1U : 0U);
    out += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[six];
  }
  return out + "=";
}

}  // namespace tenure
