// Keeps an access token of Google's for each account: asked for at start, renewed before it expires, tried again with
// growing pauses where that fails. Nothing of it is on the way of a request.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "asking.h"
#include "google_account.h"
#include "loom/io/shard.h"
#include "loom/net/resolver.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/access_token.h"

namespace loom::app {

/// When to ask again. Milliseconds.
struct TokenSchedule {
    /// lifetime_ms  of the token just got.     random  any: spreads the askers of one moment over a tenth of it.
    [[nodiscard]] static uint64_t renewal_ms(uint64_t lifetime_ms, uint64_t random) noexcept;
    /// A token that its provider refuses is replaced at once, and the next such one after this: where every token is
    /// refused it is not the token's fault, and asking for more of them would not help.
    static constexpr uint64_t refused_pause_ms = 30'000;
    static constexpr uint64_t watch_ms = 250;  // how often is it looked whether one was refused
};

/// Lives on one shard and is used from its loop alone.
class GoogleTokens {
  public:
    /// Told all tokens there are whenever one of them has changed.
    using Deliver = std::function<void(proxy::AccessTokensPtr)>;

    GoogleTokens(io::Shard& shard, net::NameService& names, Deliver deliver);
    ~GoogleTokens();  // idle() first
    GoogleTokens(const GoogleTokens&) = delete;

    /// In place of those before. An account that stays keeps its token and its schedule.
    void use(std::vector<GoogleAccountPtr> accounts);
    /// Asks nothing any more.
    void stop() noexcept;
    [[nodiscard]] bool idle() noexcept;
    [[nodiscard]] std::vector<observe::AccessTokenFacts> facts() const;

  private:
    class Source;
    void deliver();

    io::Shard& shard_;
    net::NameService& names_;
    Deliver deliver_;
    std::map<std::string, observe::AccessTokenFacts> counts_;  // by provider, for the life of the process
    Askers<Source> sources_;
};

}  // namespace loom::app
