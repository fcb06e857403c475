// Why somebody was not let in: for counters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loom {

enum class AuthFailure : uint8_t {
    missing,      // no key and no token
    key,          // a key that nobody has
    expired,      // of a consumer whose time is over
    token,        // no token that can be read, or none of the kind that is taken
    signature,    // a token that nobody known has signed
    key_id,       // a token by a key that its issuer has not shown
    claims,       // a token that is not for here, or not now
    consumer,     // a good token of somebody whom the configuration does not know
    unavailable,  // the issuer's keys could not be fetched yet
    route,        // a consumer that may not use this route
    address,      // an address that is not let in
    rule,         // an access rule
    lockout,      // an address that has failed too often
    inactive,     // a token that its issuer says is good for nothing
};
inline constexpr size_t auth_failure_count = static_cast<size_t>(AuthFailure::inactive) + 1;

[[nodiscard]] constexpr std::string_view auth_failure_name(AuthFailure failure) noexcept {
    constexpr std::string_view names[auth_failure_count] = {"missing", "key",    "expired",  "token",       "signature",
                                                            "key_id",  "claims", "consumer", "unavailable", "route",
                                                            "address", "rule",   "lockout",  "inactive"};
    return names[static_cast<size_t>(failure)];
}

/// What came of asking an issuer about a token.
enum class IntrospectionResult : uint8_t {
    active,
    inactive,  // or not for here
    error,     // no answer, or none that can be believed
};
inline constexpr size_t introspection_result_count = 3;
inline constexpr std::string_view introspection_result_names[introspection_result_count] = {"active", "inactive",
                                                                                            "error"};

/// Is it one that somebody makes who tries what a key or token may be? Others are mistakes, or nobody's.
[[nodiscard]] constexpr bool is_guess(AuthFailure failure) noexcept {
    return failure == AuthFailure::key || failure == AuthFailure::token || failure == AuthFailure::signature ||
           failure == AuthFailure::inactive;
}

}  // namespace loom
