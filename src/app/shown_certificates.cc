#include "shown_certificates.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <tuple>
#include <utility>

namespace loom::app {
namespace {

constexpr int64_t day_s = 86'400;
constexpr int64_t soon_days = 14;

void add(std::vector<ShownCertificate>& shown, std::string owner, const net::TlsKeyPair& pair) {
    const auto facts = net::inspect_tls_key_pair(pair);
    if (!facts) return;  // it was looked at before it was taken
    shown.push_back({std::move(owner), pair.name, *facts, sha256(pair.certificate_pem + pair.key_pem)});
}

void add(std::vector<ShownCertificate>& shown, std::string owner, const upstream::EndpointOptions& endpoint) {
    if (endpoint.tls && endpoint.terms.certificate) add(shown, std::move(owner), *endpoint.terms.certificate);
}

/// A label is bounded; of a long path the end tells most.
std::string label_of(const std::string& path) {
    if (path.size() <= observe::certificate_label_max) return path;
    return "..." + path.substr(path.size() - observe::certificate_label_max + 3);
}

}  // namespace

int64_t wall_clock_s() {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

std::vector<std::string> date_warnings(const std::string& path, const net::TlsCertificateFacts& facts, int64_t now_s) {
    std::vector<std::string> lines;
    const std::string whose = fmt::format("{} (subject \"{}\", issuer \"{}\")", path, facts.subject, facts.issuer);
    const int64_t left_s = facts.ends_s - now_s;
    if (left_s < 0) {
        lines.push_back(fmt::format("{}: expired on {}; remedy: renew it", whose, facts.ends_text));
    } else if (left_s < soon_days * day_s) {
        lines.push_back(fmt::format("{}: expires on {}, in {} day{}; remedy: renew it", whose, facts.ends_text,
                                    left_s / day_s, left_s / day_s == 1 ? "" : "s"));
    }
    if (facts.begins_s > now_s)
        lines.push_back(fmt::format("{}: is not valid yet; remedy: set this machine's clock, or wait", whose));
    return lines;
}

std::vector<ShownCertificate> certificates_shown(const ListenerTls& listeners, const proxy::Plan& plan) {
    std::vector<ShownCertificate> shown;
    listeners.each([&shown](const std::string& listener, const net::TlsServerOptions& options) {
        for (const net::TlsKeyPair& pair : options.certificates) add(shown, "listener." + listener, pair);
    });
    for (const proxy::ProviderPlan& provider : plan.providers)
        for (const proxy::InstancePlan& instance : provider.instances) {
            if (!instance.endpoint.tls) continue;
            add(shown, "provider." + provider.name, instance.endpoint);  // all of them show the same
            break;
        }
    for (const proxy::RoutePlan& route : plan.routes) add(shown, "route." + route.name, route.upstream);
    return shown;
}

void ShownCertificates::set(std::vector<ShownCertificate> shown) {
    std::ranges::sort(shown, {},
                      [](const ShownCertificate& one) { return std::tie(one.facts.ends_s, one.owner, one.path); });
    const std::lock_guard lock(mutex_);
    for (const ShownCertificate& one : shown)
        renewal_count_ += std::ranges::any_of(shown_, [&one](const ShownCertificate& before) {
            return before.owner == one.owner && before.path == one.path && before.digest != one.digest;
        });
    shown_ = std::move(shown);
}

bool ShownCertificates::any() const {
    const std::lock_guard lock(mutex_);
    return !shown_.empty();
}

std::vector<std::string> ShownCertificates::warnings(int64_t now_s) const {
    std::vector<std::string> lines;
    const std::lock_guard lock(mutex_);
    for (const ShownCertificate& one : shown_)
        for (const std::string& line : date_warnings(one.path, one.facts, now_s))
            lines.push_back(fmt::format("{}.tls.certificate: {}", one.owner, line));
    return lines;
}

uint64_t ShownCertificates::renewal_count() const {
    const std::lock_guard lock(mutex_);
    return renewal_count_;
}

std::vector<observe::CertificateEnd> ShownCertificates::ends() const {
    std::vector<observe::CertificateEnd> ends;
    std::set<std::pair<std::string, std::string>> named;
    const std::lock_guard lock(mutex_);
    for (const ShownCertificate& one : shown_) {
        std::string label = label_of(one.path);
        if (ends.size() == observe::certificates_max) break;
        if (named.emplace(one.owner, label).second) ends.push_back({one.owner, std::move(label), one.facts.ends_s});
    }
    return ends;
}

}  // namespace loom::app
