#include "jwt_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "loom/base/assert.h"
#include "loom/base/crypto.h"
#include "loom/base/hash.h"
#include "loom/http/url.h"
#include "loom/observe/log.h"
#include "loom/tenant/discovery.h"
#include "shown_certificates.h"

namespace loom::app {
namespace {

using proxy::JwtKeys;
using tenant::JwkSet;

constexpr size_t answer_bytes_max = std::max(JwkSet::document_bytes_max, tenant::discovery_bytes_max);

}  // namespace

PlainHttp plain_for_keys(std::string_view issuer) noexcept {
    const auto url = http::parse_url(issuer);
    return url && is_loopback_host(url->host) ? PlainHttp::loopback_only : PlainHttp::never;
}

std::string printable_url(std::string_view url) {
    constexpr size_t shown_max = 256;
    std::string text(url.substr(0, std::min(shown_max, url.find('?'))));
    std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

uint64_t JwtSource::id() const noexcept { return hash64(fmt::format("{}\n{}\n{}", name, issuer, url)); }

uint64_t jwt_fetch_bytes_max() {
    upstream::ClientOptions client{.answer_bytes_max = answer_bytes_max, .exchange_count_max = 1};
    client.endpoint.tls = true;
    const uint64_t documents = 4 * answer_bytes_max;  // one at hand, its tree, and the keys that are read from it
    return 2 * upstream::Client::memory_bytes_max(client) + documents;
}

/// One issuer: its clients, its keys, and when to ask again.
class JwtKeyFetcher::Source {
  public:
    Source(JwtKeyFetcher& fetcher, JwtSource source)
        : fetcher_(fetcher), source_(std::move(source)), counts_(fetcher.counts_[source_.name]) {
        counts_.issuer = source_.name;
        counts_.key_count = 0;
    }
    ~Source() {
        for (io::Timer* const timer : {static_cast<io::Timer*>(&next_), static_cast<io::Timer*>(&watch_)}) {
            timer->disarm();
            timer->unlink();
        }
    }

    [[nodiscard]] const JwtSource& source() const noexcept { return source_; }
    [[nodiscard]] const std::shared_ptr<const JwtKeys>& keys() const noexcept { return keys_; }
    [[nodiscard]] const observe::JwtKeyFacts& counts() const noexcept { return counts_; }

    /// Of one before that asked in the same place, though on other terms.
    void inherit(const Source& before) {
        keys_ = before.keys_;
        digest_ = before.digest_;
        if (keys_ != nullptr) counts_.key_count = keys_->set.keys().size();
    }

    void ask() {
        next_.disarm();
        std::erase_if(clients_, [](const auto& client) { return client->idle(); });
        asking_ = true;
        get(source_.url, source_.discovers ? PlainHttp::loopback_only : PlainHttp::anywhere,
            [this](std::string_view document) { source_.discovers ? read_discovery(document) : read_keys(document); });
    }

    void stop() noexcept {
        stopped_ = true;
        next_.disarm();
        watch_.disarm();
        for (const auto& client : clients_) client->close();
    }
    [[nodiscard]] bool idle() const noexcept {
        return std::ranges::all_of(clients_, [](const auto& client) { return client->idle(); });
    }

  private:
    struct Next : io::Timer {
        explicit Next(Source& s) : Timer(&Source::on_next), source(s) {}
        Source& source;
    };
    static void on_next(io::Timer& timer) noexcept { static_cast<Next&>(timer).source.ask(); }
    struct Watch : io::Timer {
        explicit Watch(Source& s) : Timer(&Source::on_watch), source(s) {}
        Source& source;
    };
    static void on_watch(io::Timer& timer) noexcept { static_cast<Watch&>(timer).source.look_whether_outdated(); }

    /// Shards only leave a mark on the set: none of them waits for anything, and any number of tokens is one mark.
    void look_whether_outdated() {
        io::TimerWheel& timers = fetcher_.shard_.timers();
        timers.arm(watch_, JwtKeySchedule::watch_ms);
        if (!asking_) std::erase_if(clients_, [](const auto& client) { return client->idle(); });
        if (asking_ || keys_ == nullptr || timers.now_ms() < unknown_before_ms_) return;
        if (!keys_->outdated.exchange(false, std::memory_order_relaxed)) return;
        unknown_before_ms_ = timers.now_ms() + JwtKeySchedule::unknown_pause_ms;
        ask();
    }

    /// Each document by a client of its own, since they may lie at two hosts.
    void get(const std::string& url, PlainHttp plain, std::function<void(std::string_view)> take) {
        auto place = client_place(url, source_.trust, plain);
        if (!place) return failed(fmt::format("{}: {}", printable_url(url), place.error().what));
        place->client.answer_bytes_max = answer_bytes_max;
        auto& client = clients_.emplace_back(
            std::make_unique<upstream::Client>(fetcher_.shard_, fetcher_.names_, std::move(place->client)));
        upstream::ClientRequest request{.method = http::Method::get, .target = std::move(place->target)};
        upstream::Client* const asked = client.get();
        asked->ask(
            std::move(request), [this, asked, url, take = std::move(take)](Result<upstream::ClientAnswer> answer) {
                if (stopped_) return;
                if (!answer)
                    return failed(fmt::format("{}: {}", printable_url(url), failure_text(answer.error(), *asked)));
                if (answer->status != 200)
                    return failed(fmt::format("{}: is answered with {}", printable_url(url), answer->status));
                take(answer->body.view());
            });
    }

    void read_discovery(std::string_view document) {
        const auto uri = tenant::read_discovery(document, source_.issuer);
        if (!uri) return failed(fmt::format("{}: {}", printable_url(source_.url), uri.error().what));
        get(*uri, plain_for_keys(source_.issuer), [this](std::string_view keys) { read_keys(keys); });
    }

    void read_keys(std::string_view document) {
        const Sha256 digest = sha256(document);
        if (keys_ != nullptr && digest == digest_) return did_well();
        auto set = JwkSet::parse(document);
        if (!set) return failed(set.error().what);
        if (set->keys().empty())
            return failed(fmt::format("a set without a key that is of use ({} are of none)", set->left_out()));
        auto made = std::make_shared<JwtKeys>();
        made->source = source_.id();
        made->set = std::move(*set);
        observe::log_info(
            "jwt {}: has {} keys{}", source_.name, made->set.keys().size(),
            made->set.left_out() == 0 ? "" : fmt::format(", and {} that are of no use here", made->set.left_out()));
        counts_.key_count = made->set.keys().size();
        keys_ = std::move(made);
        digest_ = digest;
        did_well();
        fetcher_.deliver();
    }

    void did_well() {
        asking_ = false;
        keys_->seen_unix_s.store(wall_clock_s(), std::memory_order_relaxed);
        counts_.fetches += 1;
        failures_in_row_ = 0;
        io::TimerWheel& timers = fetcher_.shard_.timers();
        timers.arm(next_, jittered_ms(source_.refresh_ms));
        timers.arm(watch_, JwtKeySchedule::watch_ms);
    }

    void failed(std::string_view why) {
        asking_ = false;
        counts_.failures += 1;
        failures_in_row_ += 1;
        const uint64_t pause_ms = retry_pause_ms(failures_in_row_, random_u64());
        observe::log_error("jwt {}: no keys from {}; {}, tried again in {} s", source_.name, why,
                           keys_ == nullptr ? "its tokens are refused until there are any" : "those it has stay",
                           (pause_ms + 999) / 1000);
        fetcher_.shard_.timers().arm(next_, pause_ms);
    }

    JwtKeyFetcher& fetcher_;
    JwtSource source_;
    observe::JwtKeyFacts& counts_;
    std::vector<std::unique_ptr<upstream::Client>> clients_;  // that ask, or still close
    std::shared_ptr<const JwtKeys> keys_;
    Sha256 digest_{};  // of the document that they were read from
    Next next_{*this};
    Watch watch_{*this};
    uint64_t unknown_before_ms_ = 0;  // until then no other set is fetched because a key is not known
    uint32_t failures_in_row_ = 0;
    bool asking_ = false;
    bool stopped_ = false;
};

JwtKeyFetcher::JwtKeyFetcher(io::Shard& shard, net::NameService& names, Deliver deliver)
    : shard_(shard), names_(names), deliver_(std::move(deliver)) {}

JwtKeyFetcher::~JwtKeyFetcher() = default;

void JwtKeyFetcher::use(std::vector<JwtSource> wanted) {
    std::vector<std::unique_ptr<Source>> before = sources_.take();
    std::vector<Source*> fresh;
    for (JwtSource& one : wanted) {
        const auto same = std::ranges::find_if(
            before, [&](const auto& source) { return source != nullptr && source->source() == one; });
        if (same != before.end()) {
            sources_.add(std::move(*same));
            continue;
        }
        const auto like = std::ranges::find_if(
            before, [&](const auto& source) { return source != nullptr && source->source().id() == one.id(); });
        Source& made = sources_.add(std::make_unique<Source>(*this, std::move(one)));
        if (like != before.end()) made.inherit(**like);
        fresh.push_back(&made);
    }
    sources_.let_go(std::move(before));
    deliver();
    for (Source* const source : fresh) source->ask();
}

void JwtKeyFetcher::stop() noexcept { use({}); }

bool JwtKeyFetcher::idle() noexcept { return sources_.idle(); }

std::vector<observe::JwtKeyFacts> JwtKeyFetcher::facts() const {
    std::vector<observe::JwtKeyFacts> facts;
    for (const auto& source : sources_.current()) facts.push_back(source->counts());
    return facts;
}

void JwtKeyFetcher::deliver() {
    auto all = std::make_shared<proxy::JwtKeySets>();
    for (const auto& source : sources_.current())
        if (source->keys() != nullptr) all->push_back(source->keys());
    deliver_(std::move(all));
}

}  // namespace loom::app
