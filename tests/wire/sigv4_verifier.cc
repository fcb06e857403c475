#include "sigv4_verifier.h"

#include <cstdlib>
#include <ctime>

#include "loom/base/crypto.h"

namespace loom::wire {
namespace {

std::string hex(const Sha256& digest) { return hex_encode(digest); }

/// Between `before` and `after`, which follows it.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
    const size_t begin = text.find(before);
    if (begin == text.npos) return "";
    const size_t from = begin + before.size();
    return text.substr(from, after.empty() ? text.npos : text.find(after, from) - from);
}

std::string encoded(std::string_view path) {
    std::string out;
    for (const char c : path) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                           std::string_view("-._~/").find(c) != std::string_view::npos;
        char escape[4];
        std::snprintf(escape, sizeof escape, "%%%02X", static_cast<unsigned char>(c));
        out += plain ? std::string(1, c) : std::string(escape);
    }
    return out;
}

/// Seconds between an x-amz-date and now.
double age_seconds(const std::string& date) {
    std::tm moment{};
    if (::strptime(date.c_str(), "%Y%m%dT%H%M%SZ", &moment) == nullptr) return 1e9;
    return std::abs(std::difftime(::time(nullptr), ::timegm(&moment)));
}

}  // namespace

std::string signature_fault(const Message& request, const AwsCustomer& customer) {
    const std::string authorization = request.head.value("authorization"), date = request.head.value("x-amz-date");
    if (request.head.count("authorization") != 1) return "not one Authorization";
    if (!authorization.starts_with("AWS4-HMAC-SHA256 ")) return "another scheme: " + authorization;
    constexpr double skew_seconds_max = 300;
    if (age_seconds(date) > skew_seconds_max) return "not of now: " + date;
    const std::string day = date.substr(0, 8);
    const std::string scope = day + "/" + customer.region + "/bedrock/aws4_request";
    if (between(authorization, "Credential=", ",") != customer.access_key_id + "/" + scope)
        return "another credential: " + authorization;
    if (request.head.value("x-amz-security-token") != customer.session_token) return "another session token";

    const std::string names = between(authorization, "SignedHeaders=", ",");
    for (const char* const must : {"host", "x-amz-date", "content-type"})
        if ((";" + names + ";").find(";" + std::string(must) + ";") == std::string::npos)
            return "not signed: " + std::string(must);
    if (!customer.session_token.empty() && names.find("x-amz-security-token") == std::string::npos)
        return "the session token is not signed";
    const std::string& line = request.head.start_line;
    const std::string method = line.substr(0, line.find(' ')), target = between(line, " ", " HTTP/");
    std::string canonical = method + "\n" + encoded(target) + "\n\n";  // Bedrock's paths have no query
    for (std::string rest = names; !rest.empty();) {
        const std::string name = rest.substr(0, rest.find(';'));
        rest.erase(0, std::min(rest.size(), name.size() + 1));
        canonical += name + ":" + request.head.value(name) + "\n";
    }
    canonical += "\n" + names + "\n" + hex(sha256(request.body));

    const std::string to_sign = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + hex(sha256(canonical));
    Sha256 key = hmac_sha256("AWS4" + customer.secret_access_key, day);
    for (const std::string& step : {customer.region, std::string("bedrock"), std::string("aws4_request")})
        key = hmac_sha256(key, step);
    const std::string expected = hex(hmac_sha256(key, to_sign));
    const std::string signature = between(authorization, "Signature=", "");
    return signature == expected ? "" : "the signature is " + signature + ", not " + expected;
}

}  // namespace loom::wire
