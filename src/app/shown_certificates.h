// The certificates that Loom shows, to clients and to upstreams: until when they are good, and how often they were
// renewed.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "listener_tls.h"
#include "loom/base/crypto.h"
#include "loom/net/tls_context.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// What there is to say of a certificate's dates at this time (seconds since 1970): that it has ended, will within 14
/// days, or has not begun. One line each, with subject, issuer and remedy.
[[nodiscard]] std::vector<std::string> date_warnings(const std::string& path, const net::TlsCertificateFacts& facts,
                                                     int64_t now_s);
/// Seconds since 1970, of the system's clock.
[[nodiscard]] int64_t wall_clock_s();

struct ShownCertificate {
    std::string owner;  // who shows it: "listener.https", "provider.openai", "route.files"
    std::string path;
    net::TlsCertificateFacts facts;
    Sha256 digest{};  // of certificate and key
};

/// Of what is in force. A pair has passed inspect_tls_key_pair before.
[[nodiscard]] std::vector<ShownCertificate> certificates_shown(const ListenerTls& listeners, const proxy::Plan& plan);

class ShownCertificates {
  public:
    /// From now on these. One whose owner and path were there before with other bytes was renewed.
    void set(std::vector<ShownCertificate> shown);
    [[nodiscard]] bool any() const;
    /// The dates of all, each line with its key.
    [[nodiscard]] std::vector<std::string> warnings(int64_t now_s) const;

    // From any thread.
    [[nodiscard]] uint64_t renewal_count() const;
    /// The soonest to end first, observe::certificates_max at most, no two of one name.
    [[nodiscard]] std::vector<observe::CertificateEnd> ends() const;

  private:
    mutable std::mutex mutex_;
    std::vector<ShownCertificate> shown_;  // the soonest to end first
    uint64_t renewal_count_ = 0;
};

}  // namespace loom::app
