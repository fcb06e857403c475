#include "health_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "loom/base/crypto.h"
#include "loom/observe/log.h"

namespace loom::app {
namespace {

using route::BreakerOutcome;
using route::BreakerPass;
using route::BreakerPhase;
using route::ProbeVerdict;
using route::TargetState;

constexpr size_t answer_bytes_max = 64 * 1024;  // a list of models that is longer is an answer, too

upstream::ClientOptions client_options(const proxy::InstancePlan& instance, uint64_t timeout_ms) {
    upstream::ClientOptions options{.endpoint = instance.endpoint,
                                    .authority = instance.authority,
                                    .timeout_ms = timeout_ms,
                                    .answer_bytes_max = answer_bytes_max,
                                    .exchange_count_max = 1};
    options.endpoint.idle_max = 0;  // each check connects anew: that too can fail
    return options;
}

}  // namespace

std::vector<HealthTarget> health_targets(const proxy::Plan& plan) {
    std::vector<HealthTarget> targets;
    for (const proxy::ProviderPlan& provider : plan.providers) {
        if (provider.health_check == nullptr) continue;
        const proxy::HealthCheckPlan& check = *provider.health_check;
        for (size_t i = 0; i < provider.instances.size(); ++i) {
            const proxy::InstancePlan& instance = provider.instances[i];
            const bool several = provider.instances.size() > 1;
            HealthTarget& one = targets.emplace_back();
            one.name = several ? fmt::format("{}/{}", provider.name, i + 1) : provider.name;
            one.row = several ? provider.instance_set->instances[i].own : provider.state;
            one.control = provider.control;
            one.breaker = several ? provider.instance_set->breaker : plan.choice.breaker;
            one.client = client_options(instance, check.timeout_ms);
            one.path = check.path.empty() ? "/" : check.by_conf ? check.path : instance.base_path + check.path;
            // What is signed, or asked with an access token, is so request by request: a check goes without, and that
            // it is turned away for it tells of somebody who is there.
            one.any_answer = check.path.empty() || instance.aws_keys != nullptr || instance.google_account != 0;
            one.by_conf = check.by_conf;
            if (!check.path.empty())
                one.lines = Secret(fmt::format("{}{}", instance.lines_behind_host(), provider.type->lines));
            one.interval_ms = check.interval_ms;
        }
    }
    return targets;
}

uint64_t health_check_bytes_max() {
    upstream::ClientOptions client{.answer_bytes_max = answer_bytes_max, .exchange_count_max = 1};
    client.endpoint.tls = true;
    return upstream::Client::memory_bytes_max(client);
}

const char* health_fault(const HealthTarget& target, const Result<upstream::ClientAnswer>& answer) {
    if (!answer) {
        switch (answer.error().code) {
            case Errc::too_large:
            case Errc::unsupported: return nullptr;  // a coding that nobody asked for: somebody answered
            case Errc::timed_out: return "the health check got no answer in time";
            case Errc::tls_failed: return "the health check's TLS handshake failed";
            case Errc::refused:
            case Errc::unreachable: return "the health check could not connect";
            case Errc::bad_message:
            case Errc::head_too_large: return "the health check was answered with no HTTP that can be read";
            default: return "the health check's connection broke before an answer";
        }
    }
    const int status = answer->status;
    if (status >= 500) return "the health check was answered with an error of the server";
    if (target.any_answer || status < 400 || status == 429) return nullptr;
    // A key that is restricted to answers may not list models, which is what is asked where the conf names nothing
    // else.
    if (status == 401 || (status == 403 && target.by_conf)) return "the health check's credentials are refused";
    if (status == 402) return "the health check's account has no credit";
    return target.by_conf ? "the health check's endpoint is not there (health_check.endpoint)" : nullptr;
}

/// One instance: a timer between two checks, a client during one.
class HealthChecks::Probe {
  public:
    Probe(io::Shard& shard, net::NameService& names, HealthTarget target)
        : shard_(shard), target_(std::move(target)), client_(shard, names, target_.client) {
        shard_.timers().arm(next_, random_u64() % std::min(target_.interval_ms, first_within_ms));
    }
    ~Probe() {
        next_.disarm();
        next_.unlink();
    }

    [[nodiscard]] const HealthTarget& target() const noexcept { return target_; }
    void stop() noexcept {
        stopped_ = true;
        next_.disarm();
        client_.close();
    }
    [[nodiscard]] bool idle() const noexcept { return client_.idle(); }

  private:
    struct Next : io::Timer {
        explicit Next(Probe& p) : Timer(&Probe::on_next), probe(p) {}
        Probe& probe;
    };
    static void on_next(io::Timer& timer) noexcept { static_cast<Next&>(timer).probe.ask(); }

    void ask() {
        if (target_.control != nullptr && target_.control->terms().disabled) {
            target_.row->probe.forget();
            return shard_.timers().arm(next_, jittered_ms(target_.interval_ms));
        }
        asked_ns_ = shard_.read_clock_ns();
        upstream::ClientRequest request{.method = http::Method::get, .target = target_.path};
        request.lines = Secret(std::string(target_.lines.view()));
        client_.ask(std::move(request), [this](Result<upstream::ClientAnswer> answer) {
            if (!stopped_) take(answer);
        });
    }

    void take(const Result<upstream::ClientAnswer>& answer) {
        if (!answer && answer.error().side == Side::internal)  // that says nothing of the target
            return shard_.timers().arm(next_, jittered_ms(target_.interval_ms));
        const char* const fault = health_fault(target_, answer);
        const uint64_t now_ms = shard_.timers().now_ms();
        route::ProbeRecord& record = target_.row->probe;
        const uint64_t took_us = (shard_.read_clock_ns() - asked_ns_) / 1000;
        record.note(now_ms, took_us, fault);
        fault == nullptr ? did_well(now_ms) : failed(now_ms, fault, answer);
        const bool confirms = fault != nullptr && record.failures() <= failures_max;
        const uint64_t pause_ms = jittered_ms(target_.interval_ms);
        shard_.timers().arm(next_, confirms ? std::min(pause_ms, confirmation_ms) : pause_ms);
    }

    void did_well(uint64_t now_ms) {
        const bool was_unwell = target_.row->probe.verdict() == ProbeVerdict::unhealthy;
        target_.row->probe.set_verdict(ProbeVerdict::healthy);
        if (was_unwell) observe::log_info("provider {}: is healthy again", target_.name);
        // Of a breaker that is closed, the requests themselves say more.
        if (target_.row->breaker.state().phase != BreakerPhase::closed) tell(now_ms, BreakerOutcome::success);
    }

    void failed(uint64_t now_ms, const char* fault, const Result<upstream::ClientAnswer>& answer) {
        tell(now_ms, BreakerOutcome::failure);
        if (target_.row->probe.failures() <= failures_max) return;
        if (target_.row->probe.verdict() == ProbeVerdict::unhealthy) return;
        target_.row->probe.set_verdict(ProbeVerdict::unhealthy);
        const bool tls = !answer && answer.error().code == Errc::tls_failed && !client_.tls_fault().empty();
        const std::string detail = tls ? ": " + client_.tls_fault() : answer ? fmt::format(": {}", answer->status) : "";
        observe::log_warn("provider {}: is unhealthy and gets no requests: {}{}", target_.name, fault, detail);
    }

    void tell(uint64_t now_ms, BreakerOutcome outcome) {
        BreakerPass pass;
        route::Breaker& breaker = target_.row->breaker;
        if (breaker.enter(target_.breaker, now_ms, pass)) breaker.leave(target_.breaker, now_ms, pass, outcome);
    }

    io::Shard& shard_;
    HealthTarget target_;
    upstream::Client client_;
    Next next_{*this};
    uint64_t asked_ns_ = 0;
    bool stopped_ = false;
};

HealthChecks::HealthChecks(io::Shard& shard, net::NameService& names) : shard_(shard), names_(names) {}

HealthChecks::~HealthChecks() = default;

void HealthChecks::use(std::vector<HealthTarget> targets) {
    std::vector<std::unique_ptr<Probe>> before = probes_.take();
    for (const std::unique_ptr<Probe>& probe : before) {
        const TargetState* const row = probe->target().row.get();
        const bool stays = std::ranges::any_of(targets, [row](const auto& one) { return one.row.get() == row; });
        if (!stays) probe->target().row->probe.forget();
    }
    probes_.let_go(std::move(before));
    for (HealthTarget& target : targets) probes_.add(std::make_unique<Probe>(shard_, names_, std::move(target)));
}

void HealthChecks::stop() noexcept { use({}); }

bool HealthChecks::idle() noexcept { return probes_.idle(); }

}  // namespace loom::app
