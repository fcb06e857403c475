// Checks of TLS: which keys go together, and what the files say: certificates that have ended or will, keys that others
// can read.
#include <sys/stat.h>

#include "check/report.h"
#include "listener_tls.h"
#include "shown_certificates.h"

namespace loom::app {

namespace {

using config::Config;

/// Where a key lies: in the certificate's own file when that holds one.
std::string key_file_of(const TlsFilePair& pair, const net::TlsKeyPair& read) {
    if (!pair.key.empty()) return pair.key;
    return read.key_pem == read.certificate_pem ? pair.certificate : net::tls_key_path_beside(pair.certificate);
}

void warn_of_readers(Report& report, const std::string& key, const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0 || (status.st_mode & S_IROTH) == 0) return;
    report.warning(
        key, fmt::format("{}: every user of this machine can read this private key; remedy: chmod 640 {}", path, path));
}

void check_pair(Report& report, const std::string& key, const TlsFilePair& pair) {
    std::string text;
    const auto read = net::read_tls_key_pair(pair.certificate, pair.key, &text);
    if (!read) return report.error(key, text);
    const auto facts = net::inspect_tls_key_pair(*read, &text);
    if (!facts) return report.error(key, text);
    for (const std::string& line : date_warnings(pair.certificate, *facts, wall_clock_s())) report.warning(key, line);
    warn_of_readers(report, key, key_file_of(pair, *read));
    if (facts->chain_in_order) return;
    report.warning(key, fmt::format("{}: its certificates are not in order, and clients may not find the way to their "
                                    "authority; remedy: the host's first, then each one's issuer",
                                    pair.certificate));
}

void check_authorities(Report& report, const std::string& key) {
    if (report.config.text(key).empty()) return;
    std::string text;
    if (!net::load_tls_trust(report.config.text(key), &text)) report.error(key, text);
}

void check_listener_files(Report& report, const std::string& name) {
    const std::string prefix = fmt::format("listener.{}.tls.", name);
    TlsFiles files;
    const auto pairs = tls_file_pairs(report.config, name, files);
    if (!pairs) return report.error(pairs.error().key, pairs.error().text);
    for (const TlsFilePair& pair : *pairs) check_pair(report, prefix + "certificate", pair);
    check_authorities(report, prefix + "client_ca");
}

}  // namespace

void check_upstream_tls(Report& report, const std::string& prefix, bool is_https) {
    const Config& config = report.config;
    for (const char* word : {"ca_file", "certificate", "key", "min_version"})
        if (config.has(prefix + word) && !is_https && report.complete)
            report.warning(prefix + word, "means something with an https:// address only");
    check_authorities(report, prefix + "ca_file");
    const std::string certificate = prefix + "certificate";
    if (config.has(certificate))
        return check_pair(report, certificate, {config.text(certificate), config.text(prefix + "key")});
    if (config.has(prefix + "key")) report.error(prefix + "key", fmt::format("needs {}", certificate));
}

void check_listener_tls(Report& report, const std::string& name) {
    const Config& config = report.config;
    const std::string protocol = fmt::format("listener.{}.protocol", name);
    const std::string prefix = fmt::format("listener.{}.tls.", name);
    if (speaks_tls(config, name)) {
        if (config.has(prefix + "certificate")) return check_listener_files(report, name);
        return report.missing(config.place(protocol), prefix + "certificate", "is missing, and protocol is https");
    }
    for (const char* word : {"certificate", "key", "client_ca", "min_version"}) {
        const std::string key = prefix + word;
        if (!config.has(key)) continue;
        // Whoever names a certificate does not mean to serve in plain text.
        report.error(key, config.has(protocol) ? fmt::format("needs {} = https", protocol)
                                               : fmt::format("needs {}certificate", prefix));
    }
}

}  // namespace loom::app
