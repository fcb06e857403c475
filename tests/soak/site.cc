#include "site.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "order.h"

namespace loom::soak {
namespace {

namespace fs = std::filesystem;

void write_secret(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0600);
}

}  // namespace

Site::Site(uint32_t shard_count, Ledger& ledger)
    : ledger_(ledger), steady_(ai_script()), web_(web_script()), tls_port_(wire::free_port()) {
    wire::raise_descriptor_limit();
    flapping_ = std::make_unique<wire::ScriptedUpstream>(ai_script());
    flapping_port_ = flapping_->port();
    issue_certificate();
    conf_.set("loop.shards", std::to_string(shard_count)).use_upstream(steady_.port());
    conf_.set("listener.tls.address", fmt::format("127.0.0.1:{}", tls_port_)).set("listener.tls.protocol", "https");
    conf_.set("listener.tls.tls.certificate", certificates_ + "/host.crt");
    const auto provider = [this](const std::string& name, std::string_view model, uint16_t port) {
        conf_.set("provider." + name + ".type", "openai").set("provider." + name + ".api_key", "sk-" + name + "-key");
        conf_.set("provider." + name + ".models", std::string(model));
        conf_.set("provider." + name + ".base_url", fmt::format("http://127.0.0.1:{}/v1", port));
    };
    provider("flapping", flapping_model, flapping_port_);
    provider("hasty", hasty_model, steady_.port());
    conf_.set("provider.hasty.timeout.response_header", "300ms").set("provider.hasty.timeout.inter_event", "300ms");
    conf_.set("provider.hasty.timeout.first_token", "300ms");
    conf_.set("route.web.path", "/web/*").set("route.web.ai_gateway", "off").set("route.web.upstream", web_.origin());
    conf_.set("route.web.auth.type", "none");
    conf_.set("upstream.pool.idle_timeout", "5s").set("limit.body_size", "8MiB");
    loom_ = std::make_unique<wire::LoomProcess>(conf_.text());
}

Site::~Site() {
    std::error_code ignored;
    fs::remove_all(certificates_, ignored);
}

void Site::issue_certificate() {
    std::string pattern = (fs::temp_directory_path() / "loom-soak-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw wire::WireError("no temporary directory");
    certificates_ = pattern;
    const net::TlsKeyPair pair = authority_.issue({.names = "IP:127.0.0.1", .common_name = "soak"});
    write_secret(certificates_ + "/host.crt", pair.certificate_pem);
    write_secret(certificates_ + "/host.key", pair.key_pem);
}

std::unique_ptr<net::TlsContext> Site::client_context() const {
    std::string text;
    auto context = net::TlsContext::client({.trust = authority_.trust()}, &text);
    if (!context) throw wire::WireError(text);
    return std::move(*context);
}

void Site::stop_flapping() {
    flaps_.open();
    flapping_.reset();
}

void Site::restart_flapping() {
    flapping_ = std::make_unique<wire::ScriptedUpstream>(ai_script(), wire::listen_on_loopback(0, flapping_port_));
    flaps_.close();
}

void Site::reload(std::mt19937_64& random) {
    generation_ += 1;
    conf_.set("provider.mock.header.X-Generation", std::to_string(generation_));
    conf_.set("upstream.pool.max_idle", std::to_string(1 + random() % 64));
    conf_.set("stream.buffer_max", fmt::format("{}KiB", 64u << random() % 4));
    conf_.set("consumer.guest.api_key", random() % 2 == 0 ? "" : fmt::format("sk-guest-{}-key", generation_));
    loom_->reload(conf_.text());
}

void Site::rotate_log() {
    const std::string path = loom_->path("access.log");
    const std::string old = loom_->path("access.log.1");
    fs::rename(path, old);
    loom_->reload(conf_.text());
    // The writer opens the new file after its last write to the old one.
    wire::wait_until("a new access log", [&] { return fs::exists(path); });
    count_file(old);
    fs::remove(old);
}

void Site::scrape() {
    const auto metrics = loom_->metrics();
    if (!metrics.contains("loom_exchanges_live")) ledger_.complain("a scrape without loom_exchanges_live");
}

void Site::stop_upstreams() {
    for (wire::ScriptedUpstream* upstream : {&steady_, &web_}) {
        for (const std::string& failure : upstream->failures()) ledger_.complain("an upstream's script: " + failure);
        upstream->stop_listening();
        upstream->end_connections();
    }
    flapping_.reset();
}

void Site::count_file(const std::string& path) {
    constexpr std::string_view key = ",\"status\":";
    std::ifstream lines(path);
    for (std::string line; std::getline(lines, line);) {
        const size_t at = line.find(key);
        const bool is_whole = line.starts_with('{') && line.ends_with('}') && at != std::string::npos;
        log_count_.lines += 1;
        if (!is_whole) log_count_.malformed += 1;
        if (is_whole) log_count_.by_status[std::atoi(line.c_str() + at + key.size())] += 1;
    }
}

const LogCount& Site::count_log() {
    count_file(loom_->path("access.log"));
    return log_count_;
}

}  // namespace loom::soak
