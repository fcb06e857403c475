// Keys for tests, made anew in each run.
#pragma once

#include <string>
#include <string_view>

namespace loom::test {

struct TestKey {
    std::string private_pem;  // PKCS #8
    std::string public_pem;
};

/// An RSA key of so many bits.
TestKey make_rsa_key(unsigned bits);
/// A private key on P-256, in PEM.
std::string make_ec_key();
/// Is it the RS256 signature of `bytes` by that key?
bool verifies_rs256(std::string_view public_pem, std::string_view bytes, std::string_view signature);

}  // namespace loom::test
