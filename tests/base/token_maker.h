// An issuer's key, for tests: it makes tokens, and shows its public half as a JSON Web Key.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace loom::test {

class TokenMaker {
  public:
    enum class Kind { rsa, ec };
    /// kid  "" for a key without one.
    explicit TokenMaker(std::string kid, Kind kind = Kind::ec);
    ~TokenMaker();

    [[nodiscard]] std::string jwk() const;
    /// Signed as its kind does, RS256 or ES256, with this header in place of its own where one is given.
    [[nodiscard]] std::string token(std::string_view claims, std::string_view header = "") const;
    [[nodiscard]] std::string public_pem() const;

  private:
    struct Key;
    [[nodiscard]] std::string signature(std::string_view text) const;
    std::string kid_;
    Kind kind_;
    std::unique_ptr<Key> key_;
};

[[nodiscard]] std::string base64url(std::string_view bytes);
/// {"keys":[…]}
[[nodiscard]] std::string jwks_of(const std::vector<const TokenMaker*>& makers);
/// Signed with HS256.
[[nodiscard]] std::string hmac_token(std::string_view secret, std::string_view claims, std::string_view header);

}  // namespace loom::test
