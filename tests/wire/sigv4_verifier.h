// AWS's side of a signed request: recomputes the signature from the bytes that arrived. Knows nothing of how Loom
// signs; of Loom it uses the digests alone.
#pragma once

#include <string>
#include <string_view>

#include "message.h"

namespace loom::wire {

struct AwsCustomer {
    std::string access_key_id;
    std::string secret_access_key;
    std::string session_token;
    std::string region;
};

/// "" when `request` is signed by this customer, whole and now; else what AWS would refuse it for.
[[nodiscard]] std::string signature_fault(const Message& request, const AwsCustomer& customer);

}  // namespace loom::wire
