#include "google_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "loom/base/clock.h"
#include "loom/observe/log.h"

namespace loom::app {
namespace {

constexpr std::string_view form_lines = "content-type: application/x-www-form-urlencoded\r\n";
constexpr std::string_view json_lines = "content-type: application/json\r\n";

uint64_t wall_s() noexcept { return wall_us() / 1'000'000; }

std::string bearer_line(std::string_view token) { return fmt::format("authorization: Bearer {}\r\n", token); }

/// What a token is made of: RFC 6750's b64token. Anything else could break out of its header line.
bool fits_a_line(std::string_view token) noexcept {
    return !token.empty() && token.size() <= proxy::access_token_bytes_max &&
           std::ranges::all_of(token, [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

uint64_t TokenSchedule::renewal_ms(uint64_t lifetime_ms, uint64_t random) noexcept {
    const uint64_t earliest = lifetime_ms / 4 * 3;
    return std::max<uint64_t>(earliest + random % (lifetime_ms / 10 + 1), retry_first_ms);
}

/// One account: its clients, its token, and when to ask again.
class GoogleTokens::Source {
  public:
    Source(GoogleTokens& tokens, GoogleAccountPtr account)
        : tokens_(tokens),
          account_(std::move(account)),
          counts_(tokens.counts_[account_->provider]),
          token_client_(tokens.shard_, tokens.names_, account_->token.client) {
        counts_.provider = account_->provider;
        counts_.expires_s = 0;
        if (!account_->credentials.impersonation_url.empty())
            impersonation_client_ =
                std::make_unique<upstream::Client>(tokens.shard_, tokens.names_, account_->impersonation.client);
    }
    ~Source() {
        renewal_.disarm();
        renewal_.unlink();
        watch_.disarm();
        watch_.unlink();
    }

    void ask() {
        Secret subject;
        if (account_->credentials.kind == llm::GoogleCredentials::Kind::external_account) {
            std::string text;
            const auto file = read_credentials_file(account_->credentials.subject_token_file, text);
            if (!file) return failed(text);
            auto token = llm::google_subject_token(account_->credentials, file->view());
            if (!token)
                return failed(fmt::format("{}: {}", account_->credentials.subject_token_file, token.error().what));
            subject = std::move(*token);
        }
        auto body = llm::google_token_request(account_->credentials, subject.view(), wall_s());
        if (!body) return failed(body.error().what);
        upstream::ClientRequest request{.target = account_->token.target};
        request.lines = Secret(std::string(form_lines));
        request.body = std::move(*body);
        token_client_.ask(std::move(request), [this](Result<upstream::ClientAnswer> answer) {
            auto token = read(std::move(answer), token_client_, account_->credentials.token_url);
            if (!token) return;
            if (impersonation_client_ != nullptr) return impersonate(std::move(*token));
            got(std::move(*token));
        });
    }

    void stop() noexcept {
        stopped_ = true;
        renewal_.disarm();
        watch_.disarm();
        token_client_.close();
        if (impersonation_client_ != nullptr) impersonation_client_->close();
    }
    [[nodiscard]] bool idle() const noexcept {
        return token_client_.idle() && (impersonation_client_ == nullptr || impersonation_client_->idle());
    }
    [[nodiscard]] const GoogleAccountPtr& account() const noexcept { return account_; }
    [[nodiscard]] const std::shared_ptr<const proxy::AccessToken>& token() const noexcept { return token_; }
    [[nodiscard]] const observe::AccessTokenFacts& counts() const noexcept { return counts_; }

  private:
    struct Renewal : io::Timer {
        explicit Renewal(Source& s) : Timer(&Source::on_renewal), source(s) {}
        Source& source;
    };
    static void on_renewal(io::Timer& timer) noexcept {
        Source& source = static_cast<Renewal&>(timer).source;
        source.watch_.disarm();
        source.ask();
    }
    struct Watch : io::Timer {
        explicit Watch(Source& s) : Timer(&Source::on_watch), source(s) {}
        Source& source;
    };
    static void on_watch(io::Timer& timer) noexcept { static_cast<Watch&>(timer).source.look_whether_refused(); }

    /// Shards only leave a mark on the token: none of them waits for anything, and a storm of refusals is one mark.
    void look_whether_refused() {
        io::TimerWheel& timers = tokens_.shard_.timers();
        const bool refused = token_->refused.load(std::memory_order_relaxed);
        if (!refused || timers.now_ms() < refused_before_ms_) return timers.arm(watch_, TokenSchedule::watch_ms);
        refused_before_ms_ = timers.now_ms() + TokenSchedule::refused_pause_ms;
        observe::log_warn("provider {}: its access token was refused before its end; another one is fetched",
                          account_->provider);
        renewal_.disarm();
        ask();
    }

    /// Nothing, and the fault told, when the answer holds no token.
    std::optional<llm::GoogleToken> read(Result<upstream::ClientAnswer> answer, const upstream::Client& client,
                                         const std::string& url) {
        if (stopped_) return std::nullopt;
        if (!answer) {
            failed(fmt::format("{}: {}", url, failure_text(answer.error(), client)));
            return std::nullopt;
        }
        if (answer->status != 200) {
            failed(fmt::format("{}: {} {}", url, answer->status, llm::google_token_error(answer->body.view())));
            return std::nullopt;
        }
        auto token = llm::read_google_token(answer->body.view(), wall_s());
        if (token && fits_a_line(token->access_token.view()) && token->expires > wall_s()) return std::move(*token);
        failed(fmt::format("{}: {}", url, token ? "the token cannot be used" : token.error().what));
        return std::nullopt;
    }

    void impersonate(llm::GoogleToken token) {
        upstream::ClientRequest request{.target = account_->impersonation.target};
        request.lines = Secret(std::string(json_lines) + bearer_line(token.access_token.view()));
        request.body = Secret(llm::google_impersonation_request());
        impersonation_client_->ask(std::move(request), [this](Result<upstream::ClientAnswer> answer) {
            auto changed = read(std::move(answer), *impersonation_client_, account_->credentials.impersonation_url);
            if (changed) got(std::move(*changed));
        });
    }

    void got(llm::GoogleToken token) {
        const uint64_t now_ms = wall_us() / 1000,
                       expires_ms = token.expires * 1000;  // to the second is not exact enough
        const uint64_t lifetime_ms = expires_ms > now_ms ? expires_ms - now_ms : 0;
        auto made = std::make_shared<proxy::AccessToken>();
        made->account = account_->id;
        made->line = Secret(bearer_line(token.access_token.view()));
        made->expires_s = token.expires;
        token_ = std::move(made);
        if (failures_in_row_ > 0 || counts_.expires_s == 0)
            observe::log_info("provider {}: has an access token for {} s", account_->provider, lifetime_ms / 1000);
        counts_.renewals += 1;
        counts_.expires_s = token_->expires_s;
        failures_in_row_ = 0;
        tokens_.shard_.timers().arm(renewal_, TokenSchedule::renewal_ms(lifetime_ms, random_u64()));
        tokens_.shard_.timers().arm(watch_, TokenSchedule::watch_ms);
        tokens_.deliver();
    }

    void failed(std::string_view why) {
        counts_.failures += 1;
        failures_in_row_ += 1;
        const uint64_t pause_ms = retry_pause_ms(failures_in_row_, random_u64());
        observe::log_error("provider {}: no access token from {}; tried again in {} s", account_->provider, why,
                           (pause_ms + 999) / 1000);
        tokens_.shard_.timers().arm(renewal_, pause_ms);
    }

    GoogleTokens& tokens_;
    GoogleAccountPtr account_;
    observe::AccessTokenFacts& counts_;
    upstream::Client token_client_;
    std::unique_ptr<upstream::Client> impersonation_client_;
    std::shared_ptr<const proxy::AccessToken> token_;
    Renewal renewal_{*this};
    Watch watch_{*this};
    uint64_t refused_before_ms_ = 0;  // until then no other one is fetched because a token was refused
    uint32_t failures_in_row_ = 0;
    bool stopped_ = false;
};

GoogleTokens::GoogleTokens(io::Shard& shard, net::NameService& names, Deliver deliver)
    : shard_(shard), names_(names), deliver_(std::move(deliver)) {}

GoogleTokens::~GoogleTokens() = default;

void GoogleTokens::use(std::vector<GoogleAccountPtr> accounts) {
    std::vector<std::unique_ptr<Source>> before = sources_.take();
    std::vector<Source*> fresh;
    for (GoogleAccountPtr& account : accounts) {
        const auto same = std::ranges::find_if(
            before, [&](const auto& source) { return source != nullptr && source->account() == account; });
        if (same != before.end())
            sources_.add(std::move(*same));
        else
            fresh.push_back(&sources_.add(std::make_unique<Source>(*this, std::move(account))));
    }
    sources_.let_go(std::move(before));
    deliver();
    for (Source* const source : fresh) source->ask();
}

void GoogleTokens::stop() noexcept { use({}); }

bool GoogleTokens::idle() noexcept { return sources_.idle(); }

std::vector<observe::AccessTokenFacts> GoogleTokens::facts() const {
    std::vector<observe::AccessTokenFacts> facts;
    for (const auto& source : sources_.current()) facts.push_back(source->counts());
    return facts;
}

void GoogleTokens::deliver() {
    auto all = std::make_shared<proxy::AccessTokens>();
    for (const auto& source : sources_.current())
        if (source->token() != nullptr) all->push_back(source->token());
    deliver_(std::move(all));
}

}  // namespace loom::app
