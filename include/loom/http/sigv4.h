// AWS Signature Version 4: what tells AWS that a request is from who it says, and whole. Source: "Create a signed AWS
// API request" of the IAM user guide; the published test suite is in tests/http/sigv4_test.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "loom/base/crypto.h"
#include "loom/base/result.h"

namespace loom::http {

struct AwsCredentials {
    std::string_view access_key_id;
    std::string_view secret_access_key;
    std::string_view session_token;  // of temporary ones, else ""
};

/// A header that is signed beside host, x-amz-date and x-amz-security-token. name: in lower case.
struct SignedHeader {
    std::string_view name;
    std::string_view value;
};

/// A request as it goes on the wire.
struct SigV4Request {
    std::string_view method = "POST";
    std::string_view host;   // what its Host header says
    std::string_view path;   // "/model/…%3A0/converse", without "." segments and doubled slashes
    std::string_view query;  // behind the "?", or ""
    std::span<const SignedHeader> headers;
    std::span<const std::string_view> body;  // its pieces, in order
    const Sha256* body_digest = nullptr;     // of these bytes, where it is known already
};

/// Header values that a signed request must carry.
struct SigV4Headers {
    std::string_view date;            // x-amz-date
    std::string_view authorization;   // authorization
    std::string_view security_token;  // x-amz-security-token, where not ""
};

/// Signs the requests to one service of one region with one set of credentials. Keeps the secret, and the key of the
/// day that is derived from it; both are overwritten when they go. One per shard: no locks.
class SigV4Signer {
  public:
    static constexpr size_t signed_headers_max = 8;  // of the caller's
    static constexpr size_t query_parameters_max = 32;
    static constexpr size_t query_bytes_max = 2048;  // of the query, encoded
    static constexpr size_t out_bytes_max = 1024;    // enough for what sign() writes

    /// region  "us-east-1".    service  "bedrock", also of hosts that begin with "bedrock-runtime".
    SigV4Signer(std::string_view region, std::string_view service);
    SigV4Signer(const SigV4Signer&) = delete;
    ~SigV4Signer();

    /// Takes copies. Requests signed before stay valid.
    void use(const AwsCredentials& credentials);

    /// unix_seconds  AWS refuses a signature five minutes off its own clock.
    /// out           borrowed as long as the result is; out_bytes_max suffices.
    /// Errors  too_large (internal): more headers, query or names than the bounds above, or `out` is too small.
    /// Cost    one pass of SHA-256 over the body, unless its digest is given; the key of the day is derived once a day.
    [[nodiscard]] Result<SigV4Headers> sign(const SigV4Request& request, uint64_t unix_seconds, std::span<char> out);

  private:
    void derive_key(std::string_view day);

    std::string region_;
    std::string service_;
    std::string access_key_id_;
    std::string secret_;  // "AWS4" and the secret access key
    std::string session_token_;
    std::array<char, 8> day_{};  // of key_: YYYYMMDD
    Sha256 key_{};
};

}  // namespace loom::http
