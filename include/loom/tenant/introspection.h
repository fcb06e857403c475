// What an issuer answers about a token that says nothing by itself (OAuth 2.0 Token Introspection, RFC 7662). No I/O.
//
// The answer is a stranger's bytes: bounded, each member once. What would have to be proved beside the token is not
// taken as a bearer's: sender-constrained tokens (`cnf`, RFC 8705 and 9449), and those that are no access tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "loom/base/result.h"
#include "loom/tenant/jwt.h"

namespace loom::tenant {

/// One lives per shard: its buffers stay warm.
class IntrospectionReader {
  public:
    IntrospectionReader();
    ~IntrospectionReader();
    IntrospectionReader(IntrospectionReader&&) noexcept;

    /// document  of an answer with 200.      now_unix_s  of the wall's clock.
    /// options   `issuers` may be empty: then `iss` is not looked at. `algorithms` means nothing here.
    /// Returns   who bears it, by the claims that JWTs would have. expires_unix_s 0: it does not say.
    /// Errors    unauthenticated (downstream): fault() says whether the token is good for nothing (signature) or is not
    ///           for here (claims). bad_message (upstream): this is no answer about a token. `what` is a literal.
    [[nodiscard]] Result<JwtIdentity> read(std::string_view document, const JwtOptions& options, int64_t now_unix_s);
    [[nodiscard]] JwtFault fault() const noexcept { return fault_; }

  private:
    struct Scratch;
    std::unique_ptr<Scratch> scratch_;
    JwtFault fault_ = JwtFault::form;
};

/// Could this be one at all? RFC 6750's b64token: nothing else is worth a question.
[[nodiscard]] bool is_opaque_token(std::string_view token) noexcept;
inline constexpr size_t opaque_token_bytes_max = 16 * 1024;

/// "token=…" as a form says it (RFC 7662, 2.1), for an access token.
void append_introspection_form(std::string_view token, std::string& out);
/// A name or a value of application/x-www-form-urlencoded, where every byte that is not a letter, a digit, '-', '.' or
/// '_' is escaped: good for RFC 6749's 2.3.1 too.
void append_form_encoded(std::string_view text, std::string& out);

}  // namespace loom::tenant
