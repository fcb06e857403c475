// Keeps the keys of issuers whose tokens are taken: asked for at start, anew every so often and when a token names a
// key that is not known, tried again with growing pauses where that fails. The last good set stays until there is
// another. Nothing of it is on the way of a request.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "asking.h"
#include "client_place.h"
#include "loom/io/shard.h"
#include "loom/net/resolver.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/identity_plan.h"

namespace loom::app {

/// Where an issuer's keys are fetched.
struct JwtSource {
    std::string name;    // of jwt.NAME
    std::string issuer;  // to the letter
    std::string url;     // of the keys; of the discovery document, where `discovers`
    bool discovers = false;
    net::TlsTrustPtr trust;
    uint64_t refresh_ms = 600'000;

    /// The same as long as the keys are the same issuer's, from the same place.
    [[nodiscard]] uint64_t id() const noexcept;
    friend bool operator==(const JwtSource&, const JwtSource&) = default;
};

struct JwtKeySchedule {
    /// Keys that are not known, or have signed otherwise, are looked for at once, and not again before this has passed:
    /// whoever makes up key ids cannot have the issuer asked without end.
    static constexpr uint64_t unknown_pause_ms = 1000 * proxy::JwtKeys::fresh_s;
    static constexpr uint64_t watch_ms = 250;  // how often is it looked whether one was not known
};

/// By what the document's jwks_uri may be asked where the issuer is discovered: plain only where the issuer itself is
/// this machine, since nobody elsewhere may have Loom ask services here.
[[nodiscard]] PlainHttp plain_for_keys(std::string_view issuer) noexcept;
/// Of a URL or a stranger's document, for the log: without its query, which may hold credentials.
[[nodiscard]] std::string printable_url(std::string_view url);

/// What asking one takes at worst, in bytes.
[[nodiscard]] uint64_t jwt_fetch_bytes_max();

/// Lives on one shard and is used from its loop alone.
class JwtKeyFetcher {
  public:
    /// Told all sets there are whenever one of them has changed.
    using Deliver = std::function<void(proxy::JwtKeySetsPtr)>;

    JwtKeyFetcher(io::Shard& shard, net::NameService& names, Deliver deliver);
    ~JwtKeyFetcher();  // idle() first
    JwtKeyFetcher(const JwtKeyFetcher&) = delete;

    /// In place of those before. One that stays keeps its keys and its schedule.
    void use(std::vector<JwtSource> sources);
    /// Asks nothing any more.
    void stop() noexcept;
    [[nodiscard]] bool idle() noexcept;
    [[nodiscard]] std::vector<observe::JwtKeyFacts> facts() const;

  private:
    class Source;
    void deliver();

    io::Shard& shard_;
    net::NameService& names_;
    Deliver deliver_;
    std::map<std::string, observe::JwtKeyFacts> counts_;  // by issuer's name, for the life of the process
    Askers<Source> sources_;
};

}  // namespace loom::app
