#include "embed_desk.h"

#include <fmt/format.h>

#include <algorithm>

#include "credentials.h"
#include "loom/base/assert.h"
#include "loom/base/hash.h"
#include "loom/llm/request.h"
#include "loom/observe/log.h"
#include "loom/proxy/services.h"
#include "loom/route/retry.h"
#include "loom/upstream/client.h"

namespace loom::proxy {
namespace {

constexpr uint64_t telling_pause_ms = 10'000;  // between two lines of the log
// An answer that is late is paid for: it is waited for a while, for who asks the same again.
constexpr uint64_t call_timeouts = 4;
constexpr uint64_t call_ms_max = 30'000;
constexpr std::string_view content_type = "application/json";

upstream::ClientOptions client_options(const EmbeddingPlan& plan, const InstancePlan& instance) {
    constexpr size_t numbers = llm::vector_dimensions_max;  // also where fewer are wanted: then it is said what came
    return {.endpoint = instance.endpoint,
            .authority = instance.authority,
            .timeout_ms = std::max(plan.timeout_ms, std::min(plan.timeout_ms * call_timeouts, call_ms_max)),
            .answer_bytes_max = EmbedDesk::answer_bytes_beside + numbers * EmbedDesk::number_bytes_max,
            .exchange_count_max = EmbedDesk::jobs_max};
}

Sha256 key_of(uint64_t embedder, std::string_view scope, std::string_view text) {
    Sha256Stream hash;
    const uint64_t numbers[] = {embedder, scope.size()};
    hash.add({reinterpret_cast<const char*>(numbers), sizeof numbers});
    hash.add(scope);
    hash.add(text);
    return hash.finish();
}

/// The provider has read the text, and found that this one is not for it: another one may be.
bool is_of_text(int status) noexcept { return status == 400 || status == 413 || status == 422; }

bool is_same(const AwsKeys* one, const AwsKeys* other) noexcept {
    if (one == other || one == nullptr || other == nullptr) return one == other;
    return one->region == other->region && one->access_key_id == other->access_key_id &&
           one->secret_access_key.view() == other->secret_access_key.view() &&
           one->session_token.view() == other->session_token.view();
}

bool is_same(const InstancePlan& one, const InstancePlan& other) {
    return one.endpoint.same_place(other.endpoint) && one.endpoint.idle_max == other.endpoint.idle_max &&
           one.endpoint.idle_timeout_ms == other.endpoint.idle_timeout_ms && one.authority == other.authority &&
           one.base_path == other.base_path && one.static_lines == other.static_lines &&
           one.google_account == other.google_account && is_same(one.aws_keys.get(), other.aws_keys.get());
}

/// Is the same asked of the same places? What it costs, and what operators say of it, is not among it.
bool is_same(const EmbeddingPlan& one, const EmbeddingPlan& other) {
    return one.identity == other.identity && one.provider == other.provider && one.type == other.type &&
           one.protocol == other.protocol && one.model == other.model && one.path == other.path &&
           one.dimensions == other.dimensions && one.timeout_ms == other.timeout_ms &&
           std::ranges::equal(one.instances, other.instances,
                              [](const InstancePlan& a, const InstancePlan& b) { return is_same(a, b); });
}

}  // namespace

/// One provider, as one plan has it and those after it that change nothing of it: its clients, how it does, and what it
/// is asked at the moment.
class EmbedDesk::Source {
  public:
    Source(EmbedDesk& desk, net::NameService& names, std::shared_ptr<const EmbeddingPlan> plan)
        : desk_(desk), services_(desk.services_), plan_(std::move(plan)) {
        for (const InstancePlan& instance : plan_->instances)
            places_.push_back({.client = std::make_unique<upstream::Client>(services_.shard(), names,
                                                                            client_options(*plan_, instance)),
                               .signer = make_signer(instance)});
    }

    [[nodiscard]] const EmbeddingPlan* plan() const noexcept { return plan_.get(); }

    /// Where the plan asks the same of the same places it goes on, with its connections and its rest, under the new
    /// one.
    [[nodiscard]] bool goes_on_under(const std::shared_ptr<const EmbeddingPlan>& plan) {
        if (!is_same(*plan_, *plan)) return false;
        plan_ = plan;
        return true;
    }

    /// Nothing: this text is not on its way. Else joined; or late, where it has been waited for long enough, and there
    /// is no reason to pay for it twice.
    [[nodiscard]] std::optional<EmbeddingResult> join(const Sha256& key, EmbedWaiter& waiter) noexcept {
        for (const auto& job : jobs_) {
            if (job->key != key) continue;
            if (job->is_late) return EmbeddingResult::late;
            waiter.pays_ = false;
            job->waiting.push_back(waiter);
            return EmbeddingResult::joined;
        }
        return std::nullopt;
    }

    /// Nothing: it is on its way. Else why it is not.
    [[nodiscard]] std::optional<EmbeddingResult> begin(const Sha256& key, SemanticCache& counts, std::string_view text,
                                                       const EmbedPayer& payer, EmbedWaiter& waiter) {
        const uint64_t now_ms = services_.shard().timers().now_ms();
        if (plan_->disabled()) return EmbeddingResult::resting;
        // Behind a rest one text finds out how it is, and nobody else waits for that.
        if (now_ms < rests_until_ms_ || (failures_ >= failures_max && !jobs_.empty())) return EmbeddingResult::resting;
        if (jobs_.size() >= jobs_max) return EmbeddingResult::busy;
        auto job = std::make_unique<Job>(*this, key, counts, rests_);
        ByteBuffer body(services_.shard().blocks());
        llm::EmbedText words(services_.translate_scratch, services_.shard().blocks());
        const llm::EmbedTextTerms terms{
            .protocol = plan_->protocol, .model = plan_->model, .dimensions = plan_->dimensions};
        if (!words.write(terms, text, body)) return EmbeddingResult::failed;
        job->request.target = plan_->path;
        job->request.body = Secret(std::string(body.view()));
        job->tokens = llm::estimated_tokens(text);
        job->owners = payer.owners;
        for (size_t i = 0; i < payer.budgets.size(); ++i)
            if (payer.budgets[i] != nullptr) job->budgets[i] = payer.budgets[i]->meters;
        if (!write_intent(*job, payer)) return EmbeddingResult::failed;
        waiter.pays_ = true;
        job->waiting.push_back(waiter);
        services_.shard().timers().arm(job->limit, plan_->timeout_ms);
        Job& begun = *jobs_.emplace_back(std::move(job));
        // Nothing leaves before its intent is in the file: no provider is asked for what nobody could be told of.
        if (services_.ledger() == nullptr || !services_.ledger()->wait(begun)) send(begun);
        return std::nullopt;
    }

    /// Nothing is asked any more; what is under way comes to its end.
    void leave() noexcept {
        leaving_ = true;
        if (jobs_.empty()) close();
    }
    void close() noexcept {
        if (std::exchange(closed_, true)) return;
        for (Place& place : places_) place.client->close();
        // Those whose intent is not written yet have nobody who ends them.
        for (size_t i = jobs_.size(); i-- > 0;)
            if (!jobs_[i]->is_sent) end(*jobs_[i], {}, tenant::LedgerExit::unsent, EmbeddingResult::failed);
    }
    [[nodiscard]] bool is_gone() noexcept {
        if (leaving_ && jobs_.empty()) close();
        return closed_ && jobs_.empty() &&
               std::ranges::all_of(places_, [](const Place& place) { return place.client->idle(); });
    }

  private:
    using Meters = std::array<std::shared_ptr<tenant::BudgetMeters>, tenant::BudgetHolds::budgets_max>;
    struct Place {
        std::unique_ptr<upstream::Client> client;
        std::unique_ptr<http::SigV4Signer> signer;  // null where nothing is signed
    };
    struct Job final : store::LedgerLog::Waiter {
        struct Limit final : io::Timer {
            explicit Limit(Job& j) noexcept : Timer(&Job::on_limit), job(j) {}
            Job& job;
        };
        Job(Source& s, const Sha256& k, SemanticCache& c, uint64_t r)
            : Waiter(&Job::on_intent_written), source(s), counts(c), key(k), rests(r) {}
        ~Job() { limit.unlink(); }
        static void on_intent_written(Waiter& waiter) noexcept {
            Job& job = static_cast<Job&>(waiter);
            job.source.send(job);
        }
        static void on_limit(io::Timer& timer) noexcept {
            Job& job = static_cast<Limit&>(timer).job;
            job.source.give_up(job);
        }

        Source& source;
        SemanticCache& counts;
        const Sha256 key;
        const uint64_t rests;  // that the provider had had when it began
        List<EmbedWaiter, EmbedWaiterTag> waiting;
        upstream::ClientRequest request;
        uint64_t id = 0;      // in the ledger; 0: nothing is written down
        uint64_t tokens = 0;  // as they were estimated
        OwnerSlots owners;
        size_t place = 0;
        uint64_t token_hash = 0;  // of the access token that it carries, if any
        uint16_t status = 0;      // of the provider's answer
        bool is_sent = false;
        bool is_late = false;  // nobody waits for it any more
        Meters budgets;        // of who asked; they outlive its request, and its plan
        Limit limit{*this};
    };

    /// False: it could not be written down, and so is not asked.
    [[nodiscard]] bool write_intent(Job& job, const EmbedPayer& payer) {
        store::LedgerLog* const ledger = services_.ledger();
        if (ledger == nullptr) return true;
        if (services_.ledger_refuses()) return false;
        job.id = ledger->append({.time_us = services_.wall_now_us(),
                                 .consumer = payer.consumer,
                                 .team = payer.team,
                                 .project = payer.project,
                                 .tenant = payer.tenant,
                                 .tier = payer.tier,
                                 .route = payer.route,
                                 .provider = plan_->provider,
                                 .model = plan_->model,
                                 .input_tokens = job.tokens,
                                 .cost = cost_of({.input = job.tokens})});
        return job.id != 0;
    }

    [[nodiscard]] Money cost_of(const llm::Usage& usage) const noexcept {
        if (!plan_->price) return -1;
        return plan_->price->cost(route::parts_of({.input = usage.input}));
    }

    void send(Job& job) noexcept {
        if (job.is_late || (services_.ledger() != nullptr && services_.ledger_refuses()))
            return end(job, {}, tenant::LedgerExit::unsent, EmbeddingResult::failed);
        job.place = place_;
        if (!write_lines(job)) {
            note_failure(job);
            tell("no access token, or no signature, is there for it");
            return end(job, {}, tenant::LedgerExit::unsent, EmbeddingResult::failed);
        }
        job.is_sent = true;
        places_[job.place].client->ask(
            std::move(job.request),
            [this, &job](const Result<upstream::ClientAnswer>& answer) { answered(job, answer); });
    }

    [[nodiscard]] bool write_lines(Job& job) {
        const InstancePlan& instance = plan_->instances[job.place];
        std::string& lines = job.request.lines.text();
        const std::string target = instance.base_path + job.request.target;
        job.request.target = target;
        constexpr size_t slack = 256;
        lines.reserve(instance.static_lines.size() + plan_->type->lines.size() + instance.credentials_bytes_max() +
                      slack);
        lines.append(instance.lines_behind_host()).append(plan_->type->lines);
        lines.append("content-type: ").append(content_type).append("\r\n");
        if (instance.google_account != 0) {
            const AccessToken* const token = services_.access_token(instance.google_account);
            if (token == nullptr || token->expires_s <= services_.wall_now_us() / 1'000'000) return false;
            lines.append(token->line.view());
            job.token_hash = hash64(token->line.view());
        }
        return places_[job.place].signer == nullptr || sign(job, target, lines);
    }

    [[nodiscard]] bool sign(const Job& job, std::string_view target, std::string& lines) {
        const size_t mark = std::min(target.find('?'), target.size());
        const http::SignedHeader type_header{.name = "content-type", .value = content_type};
        const std::string_view body = job.request.body.view();
        std::array<char, http::SigV4Signer::out_bytes_max> room;
        const auto made = places_[job.place].signer->sign({.method = "POST",
                                                           .host = plan_->instances[job.place].authority,
                                                           .path = target.substr(0, mark),
                                                           .query = target.substr(std::min(mark + 1, target.size())),
                                                           .headers = {&type_header, 1},
                                                           .body = {&body, 1}},
                                                          services_.wall_now_us() / 1'000'000, room);
        if (!made) return false;
        lines.append("x-amz-date: ").append(made->date).append("\r\n");
        if (!made->security_token.empty())
            lines.append("x-amz-security-token: ").append(made->security_token).append("\r\n");
        lines.append("authorization: ").append(made->authorization).append("\r\n");
        return true;
    }

    /// Its requests go on without it. What it brings is kept for who asks the same again.
    void give_up(Job& job) noexcept {
        job.is_late = true;
        job.counts.note_embedding(EmbeddingResult::late);
        if (job.is_sent) note_failure(job);
        tell(fmt::format("{} within {} ms (semantic_cache.embedding.timeout)",
                         job.is_sent ? "has not answered" : "was not asked, for want of the ledger,",
                         plan_->timeout_ms));
        give(job, {});
    }

    void answered(Job& job, const Result<upstream::ClientAnswer>& answer) {
        if (!answer) {
            const Errc code = answer.error().code;
            const upstream::Client& client = *places_[job.place].client;
            const bool tls = code == Errc::tls_failed && !client.tls_fault().empty();
            if (code != Errc::cancelled) {
                if (!job.is_late) note_failure(job);
                tell(tls ? std::string_view(client.tls_fault()) : errc_name(code));
            }
            // What has left the provider may have computed, and is to be paid for.
            const bool has_left = answer.error().retry != Retry::safe;
            const auto exit = has_left ? tenant::LedgerExit::failed : tenant::LedgerExit::unsent;
            return end(job, {}, exit, EmbeddingResult::failed);
        }
        if (answer->status != 200) return refused(job, *answer);
        auto vector = std::make_shared<std::vector<float>>();
        llm::Usage usage;
        llm::EmbedText words(services_.translate_scratch, services_.shard().blocks());
        const auto read = words.read(plan_->protocol, answer->body.view(), plan_->dimensions, *vector, usage);
        job.status = 200;
        if (!read) {
            if (!job.is_late) note_failure(job);
            tell(fmt::format("its answer holds no vector that is of use: {}", read.error().what));
            return end(job, {}, tenant::LedgerExit::answered, EmbeddingResult::unusable, usage);
        }
        if (!job.is_late) failures_ = 0;
        has_answered_ = true;
        refusals_ = 0;
        if (!leaving_) desk_.learn(job.key, vector);
        end(job, std::move(vector), tenant::LedgerExit::answered, EmbeddingResult::answered, usage);
    }

    void refused(Job& job, const upstream::ClientAnswer& answer) {
        job.status = static_cast<uint16_t>(answer.status);
        const uint64_t now_ms = services_.shard().timers().now_ms();
        bool is_failure = !is_of_text(answer.status);
        if (!is_failure) {
            if (!leaving_) desk_.known_.put(job.key, {.until_ms = now_ms + refusal_kept_ms});
            // Where every text is refused it is the conf that is, or the provider that has changed.
            refusals_ += 1;
            is_failure = !has_answered_ || refusals_ >= refusals_max;
        }
        if (is_failure && !job.is_late) note_failure(job, answer.status == 429 ? rest_told_ms(answer) : 0);
        if (answer.status == 401) note_refused_token(job);
        tell(fmt::format("is answered with {}", answer.status));
        end(job, {}, tenant::LedgerExit::refused, EmbeddingResult::refused);
    }

    /// Of one that is asked too often.
    [[nodiscard]] uint64_t rest_told_ms(const upstream::ClientAnswer& answer) const noexcept {
        const uint64_t told_ms = route::parse_retry_after(answer.retry_after, services_.unix_now_s()).value_or(0);
        return std::clamp(told_ms, rest_ms_min, told_rest_ms_max);
    }

    /// Another one is fetched. One that has come since is not the one that was refused.
    void note_refused_token(const Job& job) const noexcept {
        const AccessToken* const token = services_.access_token(plan_->instances[job.place].google_account);
        if (job.token_hash != 0 && token != nullptr && hash64(token->line.view()) == job.token_hash)
            token->refused.store(true, std::memory_order_relaxed);
    }

    /// What it took is written down, its requests are told, and it is over. Where the one that asked has left, or went
    /// on without it, its budgets are charged here.
    void end(Job& job, cache::VectorPtr vector, tenant::LedgerExit exit, EmbeddingResult result,
             llm::Usage usage = {}) noexcept {
        const Money cost = settle(job, exit, usage);
        if (!job.is_late) job.counts.note_embedding(result);
        List<EmbedWaiter, EmbedWaiterTag> waiting;
        job.waiting.move_to(waiting);
        const Meters budgets = std::move(job.budgets);
        const int64_t now_s = services_.unix_now_s();
        std::erase_if(jobs_, [&job](const auto& one) { return one.get() == &job; });
        if (leaving_ && jobs_.empty()) close();  // its connections are of no more use
        const uint64_t made_ms = services_.shard().timers().now_ms();
        const bool is_charged =
            give(waiting, {.vector = std::move(vector), .made_ms = made_ms, .cost = std::max<Money>(cost, 0)});
        if (!is_charged && cost > 0) charge(budgets, now_s, cost);
    }

    static void charge(const Meters& budgets, int64_t unix_s, Money cost) noexcept {
        const tenant::PeriodNumbers now = tenant::period_numbers(unix_s);
        for (const auto& meters : budgets) {
            tenant::BudgetMeter::Hold none;
            if (meters != nullptr) meters->money.settle(now, tenant::budget_units(cost), none);
        }
    }

    /// Returns what it has cost; -1: no price is known.
    Money settle(Job& job, tenant::LedgerExit exit, llm::Usage usage) noexcept {
        using tenant::LedgerExit;
        using tenant::LedgerProvenance;
        const bool tells = usage.provenance != llm::Usage::Provenance::none;
        const bool is_paid = exit == LedgerExit::answered || exit == LedgerExit::failed;
        if (is_paid && !tells) usage.input = job.tokens;
        const Money cost = is_paid ? cost_of(usage) : 0;
        if (is_paid) {
            observe::ShardMetrics& metrics = services_.metrics();
            const observe::TokenCounts counts{.input = usage.input, .output = 0, .cached = 0, .reasoning = 0};
            metrics.tokens(plan_->provider_label_ix, counts);
            metrics.owner_tokens(job.owners, counts);
            if (cost > 0) {
                metrics.cost(plan_->provider_label_ix, plan_->model_label_ix, cost);
                metrics.owner_cost(job.owners, cost);
            }
        }
        if (job.id == 0) return cost;
        job.unlink();
        const tenant::LedgerSettlement settlement{.id = job.id,
                                                  .exit = exit,
                                                  .provenance = !is_paid ? LedgerProvenance::none
                                                                : tells  ? LedgerProvenance::reported
                                                                         : LedgerProvenance::estimated,
                                                  .status = job.status,
                                                  .tokens = {.input = is_paid ? usage.input : 0},
                                                  .cost = cost};
        if (!services_.ledger()->append(settlement)) services_.metrics().ledger_lost.add();
        return cost;
    }

    /// Did the one that asked, and pays, hear of it?
    static bool give(List<EmbedWaiter, EmbedWaiterTag>& waiting, const Embedded& embedded) noexcept {
        bool any_pays = false;
        while (EmbedWaiter* const one = waiting.pop_front()) {
            const bool pays = std::exchange(one->pays_, false);
            any_pays |= pays;
            one->on_embedded(
                {.vector = embedded.vector, .made_ms = embedded.made_ms, .cost = pays ? embedded.cost : 0});
        }
        return any_pays;
    }
    static void give(Job& job, const Embedded& embedded) noexcept {
        List<EmbedWaiter, EmbedWaiterTag> waiting;
        job.waiting.move_to(waiting);
        (void)give(waiting, embedded);
    }

    /// Another of its places may do better. Failures in a row are more and more expensive to find out about; but those
    /// of texts that were on their way already when it last began to rest say nothing new, however many they are.
    void note_failure(const Job& job, uint64_t rest_ms = 0) noexcept {
        const bool counts = job.rests == rests_;
        if (counts) {
            failures_ += 1;
            if (job.place == place_) place_ = (place_ + 1) % places_.size();
            if (failures_ >= failures_max) {
                const uint32_t doublings = std::min<uint32_t>(failures_ - failures_max, 10);
                rest_ms = std::max(rest_ms, std::min(rest_ms_min << doublings, rest_ms_max));
            }
        }
        const bool has_others = places_.size() > 1 && failures_ < failures_max;
        if (rest_ms == 0 || has_others) return;
        rests_until_ms_ = std::max(rests_until_ms_, services_.shard().timers().now_ms() + rest_ms);
        if (counts) rests_ += 1;
    }

    /// An embedder that is away would fill the log with as many lines as there are requests.
    void tell(std::string_view what) {
        const uint64_t now_ms = services_.shard().timers().now_ms();
        untold_ += 1;
        if (now_ms < tell_again_ms_) return;
        tell_again_ms_ = now_ms + telling_pause_ms;
        observe::log_warn("semantic_cache.embedding.provider = {}: {} ({} texts have no vector)", plan_->provider, what,
                          std::exchange(untold_, 0));
    }

    EmbedDesk& desk_;
    Services& services_;
    std::shared_ptr<const EmbeddingPlan> plan_;
    std::vector<Place> places_;
    size_t place_ = 0;  // that is asked
    std::vector<std::unique_ptr<Job>> jobs_;
    uint32_t failures_ = 0;  // in a row
    uint32_t refusals_ = 0;  // of texts, in a row
    bool has_answered_ = false;
    uint64_t rests_ = 0;  // that it has begun
    uint64_t rests_until_ms_ = 0;
    uint64_t tell_again_ms_ = 0;
    uint64_t untold_ = 0;
    bool leaving_ = false;
    bool closed_ = false;
};

size_t EmbedDesk::Known::bytes_of(const Entry& entry) noexcept {
    constexpr size_t nodes_bytes = 192;  // of the list, the table and the heap
    return nodes_bytes + (entry.vector != nullptr ? entry.vector->size() * sizeof(float) : 0);
}

void EmbedDesk::Known::drop(std::list<Entry>::iterator entry) noexcept {
    bytes_ -= bytes_of(*entry);
    places_.erase(entry->key);
    entries_.erase(entry);
}

const EmbedDesk::Known::Entry* EmbedDesk::Known::find(const Sha256& key, uint64_t now_ms) {
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    if (now_ms >= found->second->until_ms) {
        drop(found->second);
        return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return &entries_.front();
}

void EmbedDesk::Known::put(const Sha256& key, Entry entry) {
    if (const auto before = places_.find(key); before != places_.end()) drop(before->second);
    entry.key = key;
    entries_.push_front(std::move(entry));
    places_.emplace(key, entries_.begin());
    bytes_ += bytes_of(entries_.front());
    while (bytes_ > known_bytes_max) drop(std::prev(entries_.end()));
}

void EmbedDesk::Known::clear() noexcept {
    places_.clear();
    entries_.clear();
    bytes_ = 0;
}

EmbedDesk::EmbedDesk(Services& services, net::NameService& names) : services_(services), names_(names) {}

/// One that was never asked goes at once, as where a shard could not start.
EmbedDesk::~EmbedDesk() {
    close();
    LOOM_ASSERT(idle());
}

void EmbedDesk::on_new_plan(const Plan& plan) {
    const SemanticPlan* const terms = plan.cache != nullptr ? plan.cache->semantic.get() : nullptr;
    std::shared_ptr<const EmbeddingPlan> wanted = terms != nullptr ? terms->embedding : nullptr;
    if (source_ != nullptr && wanted != nullptr && source_->goes_on_under(wanted)) return;
    const bool knows_on = source_ != nullptr && wanted != nullptr && source_->plan()->identity == wanted->identity;
    if (source_ != nullptr) {
        source_->leave();
        leaving_.push_back(std::move(source_));
    }
    if (!knows_on) known_.clear();
    if (wanted != nullptr && !closed_) source_ = std::make_unique<Source>(*this, names_, std::move(wanted));
    sweep();
}

/// Vectors of another length than those before are another model's, under the same name.
void EmbedDesk::learn(const Sha256& key, cache::VectorPtr vector) {
    if (std::exchange(dimensions_, vector->size()) != vector->size()) known_.clear();
    known_.put(key, {.vector = std::move(vector), .made_ms = services_.shard().timers().now_ms()});
}

void EmbedDesk::sweep() noexcept {
    std::erase_if(leaving_, [](const auto& source) { return source->is_gone(); });
}

EmbedDesk::Asked EmbedDesk::ask(const EmbeddingPlan& terms, SemanticCache& counts, std::string_view scope,
                                std::string_view text, const EmbedPayer& payer, EmbedWaiter& waiter) {
    const auto without = [&counts](EmbeddingResult why) {
        counts.note_embedding(why);
        return Asked{};
    };
    if (closed_ || source_ == nullptr || source_->plan()->identity != terms.identity)
        return without(EmbeddingResult::failed);
    const Sha256 key = key_of(terms.identity, scope, text);
    if (const Known::Entry* const known = known_.find(key, services_.shard().timers().now_ms())) {
        counts.note_embedding(known->vector != nullptr ? EmbeddingResult::known : EmbeddingResult::refused);
        return {.vector = known->vector, .made_ms = known->made_ms};
    }
    if (const auto underway = source_->join(key, waiter)) return without(*underway);
    if (const auto why_not = source_->begin(key, counts, text, payer, waiter)) return without(*why_not);
    return {};
}

void EmbedDesk::close() noexcept {
    closed_ = true;
    if (source_ != nullptr) leaving_.push_back(std::move(source_));
    for (const auto& source : leaving_) {
        source->leave();
        source->close();
    }
}

bool EmbedDesk::idle() noexcept {
    sweep();
    return source_ == nullptr && leaving_.empty();
}

size_t embedding_memory_bytes(const Plan& plan) noexcept {
    const SemanticPlan* const terms = plan.cache != nullptr ? plan.cache->semantic.get() : nullptr;
    if (terms == nullptr || terms->embedding == nullptr) return 0;
    size_t clients = 0;  // texts on their way are jobs_max, wherever they go
    for (const InstancePlan& instance : terms->embedding->instances)
        clients = std::max(clients, upstream::Client::memory_bytes_max(client_options(*terms->embedding, instance)));
    constexpr size_t job_bytes = 1024 + 2 * SemanticCache::text_bytes_max;
    return 2 * (clients + EmbedDesk::jobs_max * job_bytes) + EmbedDesk::known_bytes_max;  // old and new
}

}  // namespace loom::proxy
