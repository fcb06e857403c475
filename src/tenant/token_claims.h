// What an issuer says of a token, be it in the token itself or in an answer about it: when it is good, for whom, and who
// bears it.
#pragma once

#include "loom/base/json.h"
#include "loom/tenant/jwt.h"

namespace loom::tenant {

// Errors  unauthenticated (downstream); `what` is a literal.
/// When it expires, to the whole second behind; 0: never.
[[nodiscard]] Result<int64_t> check_times(const simdjson::dom::object& claims, const JwtOptions& options,
                                          int64_t now_unix_s);
[[nodiscard]] Result<void> check_audience(const simdjson::dom::object& claims, const JwtOptions& options);
/// Whatever it says beside that.
[[nodiscard]] Result<JwtIdentity> read_claims(const simdjson::dom::object& claims, const JwtOptions& options,
                                              int64_t expires_unix_s);

}  // namespace loom::tenant
