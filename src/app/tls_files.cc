#include "tls_files.h"

#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>

#include "loom/observe/log.h"

namespace loom::app {
namespace {

/// A pair is of use only when its halves belong together.
Result<TlsKeyPairPtr> read_pair(const std::string& certificate, const std::string& key, std::string& text) {
    auto pair = LOOM_TRY(net::read_tls_key_pair(certificate, key, &text));
    LOOM_TRY(net::inspect_tls_key_pair(pair, &text));
    return std::make_shared<const net::TlsKeyPair>(std::move(pair));
}

}  // namespace

TlsFiles::Stamp TlsFiles::stamp_of(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return {};
    return {status.st_dev, status.st_ino, status.st_size,
            int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

std::vector<std::string> TlsFiles::matches(const std::string& pattern) {
    if (pattern.find_first_of("*?[") == std::string::npos) return {pattern};
    glob_t found{};
    std::vector<std::string> paths;
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    ::globfree(&found);
    return paths;
}

void TlsFiles::begin(Fault fault) {
    fault_ = fault;
    reading_ = {};
    accounts_read_.clear();
}

void TlsFiles::watch() { watched_ = std::move(reading_); }

bool TlsFiles::changed() const {
    return std::ranges::any_of(watched_.stamps, [](const auto& one) { return stamp_of(one.first) != one.second; }) ||
           std::ranges::any_of(watched_.expansions, [](const auto& one) { return matches(one.first) != one.second; });
}

std::vector<std::string> TlsFiles::expand(const std::string& pattern) {
    return reading_.expansions[pattern] = matches(pattern);
}

/// The one place that decides between the new, the same and the old.
template <class T>
Result<std::shared_ptr<const T>> TlsFiles::settle(Held<T>& held, const Sha256& digest,
                                                  Result<std::shared_ptr<const T>> read, const std::string& text) {
    if (read) {
        held = {digest, *read};
        return read;
    }
    if (fault_ == Fault::refuse || held.value == nullptr) return read;
    tell_failure(fmt::format("{}; what it held before stays in force", text));
    return held.value;
}

void TlsFiles::tell_failure(std::string_view line) {
    failure_count_.fetch_add(1, std::memory_order_relaxed);
    observe::log_error("{}", line);
}

net::TlsTrustPtr TlsFiles::trust_of_key(const config::Config& config, const std::string& key,
                                        std::vector<std::string>& messages) {
    std::string text;
    const auto read = trust(config.text(key), text);
    if (read) return *read;
    messages.push_back(fmt::format("{}: {}", key, text));
    return nullptr;
}

Result<net::TlsTrustPtr> TlsFiles::trust(const std::string& path, std::string& text) {
    auto& held = trusts_[path];
    if (path.empty()) {
        if (held.value == nullptr) held.value = LOOM_TRY(net::load_tls_trust(path, &text));
        return held.value;
    }
    reading_.stamps[path] = stamp_of(path);
    const auto pem = net::read_tls_authorities(path, &text);
    if (!pem) return settle(held, {}, Result<net::TlsTrustPtr>(std::unexpected(pem.error())), text);
    const Sha256 digest = sha256(*pem);
    if (held.value != nullptr && held.digest == digest) return held.value;
    return settle(held, digest, net::parse_tls_authorities(*pem, path, &text), text);
}

Result<TlsKeyPairPtr> TlsFiles::key_pair(const std::string& certificate, const std::string& key, std::string& text) {
    const std::string key_path = key.empty() ? net::tls_key_path_beside(certificate) : key;
    for (const std::string& path : {certificate, key_path}) reading_.stamps[path] = stamp_of(path);
    Result<TlsKeyPairPtr> read = read_pair(certificate, key, text);
    Sha256 digest{};
    if (read) digest = sha256((*read)->certificate_pem + (*read)->key_pem);
    auto& held = key_pairs_[certificate + '\n' + key_path];
    if (read && held.value != nullptr && held.digest == digest) return held.value;
    return settle(held, digest, std::move(read), text);
}

Result<std::shared_ptr<const tenant::JwkSet>> TlsFiles::jwk_set(const std::string& path, std::string& text) {
    reading_.stamps[path] = stamp_of(path);
    auto& held = jwk_sets_[path];
    Sha256 digest{};
    const auto read = [&]() -> Result<std::shared_ptr<const tenant::JwkSet>> {
        const Secret bytes = LOOM_TRY(read_credentials_file(path, text, tenant::JwkSet::document_bytes_max));
        digest = sha256(bytes.view());
        if (held.value != nullptr && held.digest == digest) return held.value;
        auto set = tenant::JwkSet::parse(bytes.view());
        if (set && !set->keys().empty()) return std::make_shared<const tenant::JwkSet>(std::move(*set));
        text = fmt::format("{}: {}", path, set ? "no key in it is of use to verify tokens" : set.error().what);
        return fail(Errc::bad_conf, Side::internal, "a set of keys that cannot be used");
    };
    auto set = read();
    return settle(held, digest, std::move(set), text);
}

Result<GoogleAccountPtr> TlsFiles::google_account(const std::string& provider, const std::string& path,
                                                  std::string& text) {
    reading_.stamps[path] = stamp_of(path);
    auto& held = accounts_[provider + '\n' + path];
    const auto read = [&]() -> Result<GoogleAccountPtr> {
        const Secret bytes = LOOM_TRY(read_credentials_file(path, text));
        const Sha256 digest = sha256(bytes.view());
        if (held.value != nullptr && held.digest == digest) return held.value;
        const net::TlsTrustPtr system = LOOM_TRY(trust("", text));
        auto account =
            std::make_shared<GoogleAccount>(LOOM_TRY(read_google_account(provider, path, bytes.view(), system, text)));
        account->id = ++last_account_;
        held = {digest, account};
        return held.value;
    };
    const auto account = settle(held, held.digest, read(), text);
    if (account) accounts_read_.push_back(*account);
    return account;
}

}  // namespace loom::app
