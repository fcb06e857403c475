#include "tls_pem.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "tls_verify.h"

namespace loom::net {
namespace {

constexpr size_t file_bytes_max = 1 << 20;   // of a certificate or key
constexpr size_t trust_bytes_max = 8 << 20;  // a system's bundle has 200 KiB

/// Where systems keep the bundle of CAs they trust: Debian, Fedora, SUSE, Alpine.
constexpr const char* system_bundles[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                          "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

std::unexpected<Error> bad(std::string* text, std::string line, const char* what, Errc code = Errc::bad_conf) {
    ERR_clear_error();
    if (text != nullptr) *text = std::move(line);
    return fail(code, Side::internal, what);
}

std::unexpected<Error> unreadable(const std::string& path, const char* reason, std::string* text) {
    return bad(text, fmt::format("{}: {}; remedy: name an existing file that this user may read", path, reason),
               "a TLS file cannot be read", Errc::not_found);
}

Result<std::string> read_open_file(int fd, const std::string& path, size_t bytes_max, std::string* text) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) return unreadable(path, strerror(errno), text);
    if (!S_ISREG(status.st_mode)) return unreadable(path, "not a file", text);
    std::string bytes;
    std::array<char, 16 * 1024> piece;
    for (;;) {
        const ssize_t count = ::read(fd, piece.data(), piece.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return unreadable(path, strerror(errno), text);
        if (count == 0) return bytes;
        bytes.append(piece.data(), static_cast<size_t>(count));
        if (bytes.size() > bytes_max)
            return bad(text, fmt::format("{}: over {} bytes", path, bytes_max), "a TLS file is too large");
    }
}

Result<std::string> read_file(const std::string& path, size_t bytes_max, std::string* text) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe's name must not stop the process
    if (fd < 0) return unreadable(path, strerror(errno), text);
    auto bytes = read_open_file(fd, path, bytes_max, text);
    ::close(fd);
    return bytes;
}

bssl::UniquePtr<BIO> reader(std::string_view pem) {
    return bssl::UniquePtr<BIO>(BIO_new_mem_buf(pem.data(), static_cast<ptrdiff_t>(pem.size())));
}

struct Asked {
    bool password = false;
};
int refuse_password(char*, int, int, void* asked) {
    static_cast<Asked*>(asked)->password = true;
    return -1;
}

Result<bssl::UniquePtr<EVP_PKEY>> parse_key(const TlsKeyPair& pair, std::string* text) {
    const auto bio = reader(pair.key_pem);
    Asked asked;
    bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_password, &asked));
    if (key) return key;
    if (asked.password) {
        return bad(text,
                   fmt::format("{}: its private key is encrypted; remedy: openssl pkey -in KEY -out PLAIN, and protect "
                               "the file by its mode",
                               pair.name),
                   "an encrypted private key");
    }
    return bad(
        text,
        fmt::format("{}: no private key in PEM (-----BEGIN PRIVATE KEY-----) beside it; remedy: name the key's file",
                    pair.name),
        "no private key");
}

Result<void> add_chain(TlsCertificate& out, const TlsKeyPair& pair, CRYPTO_BUFFER_POOL* pool, std::string* text) {
    for (auto& certificate : LOOM_TRY(parse_authorities(pair.certificate_pem, pair.name, text))) {
        uint8_t* der = nullptr;
        const int size = i2d_X509(certificate.get(), &der);
        if (size <= 0)
            return bad(text, fmt::format("{}: a certificate cannot be read", pair.name), "a bad certificate");
        out.chain.emplace_back(CRYPTO_BUFFER_new(der, static_cast<size_t>(size), pool));
        OPENSSL_free(der);
        if (!out.leaf) out.leaf = std::move(certificate);
    }
    return {};
}

}  // namespace

int64_t seconds_of(const ASN1_TIME* time) {
    bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
    int days = 0, seconds = 0;
    if (!epoch || !ASN1_TIME_diff(&days, &seconds, epoch.get(), time)) return 0;
    return int64_t{days} * 86'400 + seconds;
}

Result<std::vector<bssl::UniquePtr<X509>>> parse_authorities(std::string_view pem, const std::string& name,
                                                             std::string* text) {
    const auto bio = reader(pem);
    std::vector<bssl::UniquePtr<X509>> certificates;
    while (X509* certificate = PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr))
        certificates.emplace_back(certificate);
    const uint32_t error = ERR_peek_last_error();
    // The end of the text is told as an error too: no further BEGIN line.
    const bool at_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (certificates.empty()) {
        return bad(
            text,
            fmt::format(
                "{}: no certificate in PEM (-----BEGIN CERTIFICATE-----); remedy: convert it, openssl x509 -inform der",
                name),
            "no certificate");
    }
    if (!at_end) {
        return bad(text,
                   fmt::format("{}: certificate {} cannot be read; remedy: export the file again", name,
                               certificates.size() + 1),
                   "a bad certificate");
    }
    return certificates;
}

Result<TlsCertificate> parse_key_pair(const TlsKeyPair& pair, CRYPTO_BUFFER_POOL* pool, std::string* text) {
    TlsCertificate result;
    LOOM_TRY(add_chain(result, pair, pool, text));
    result.hosts = dns_names(result.leaf.get());
    result.key = LOOM_TRY(parse_key(pair, text));
    bssl::UniquePtr<EVP_PKEY> certified(X509_get_pubkey(result.leaf.get()));
    if (!certified || EVP_PKEY_cmp(certified.get(), result.key.get()) != 1) {
        return bad(text,
                   fmt::format("{}: the private key is not the one of its first certificate; remedy: put the host's "
                               "certificate before the intermediates, and name its own key",
                               pair.name),
                   "certificate and key do not belong together");
    }
    return result;
}

Result<bssl::UniquePtr<X509_STORE>> make_store(const std::vector<bssl::UniquePtr<X509>>& authorities,
                                               bool partial_chain) {
    bssl::UniquePtr<X509_STORE> store(X509_STORE_new());
    if (!store) return fail(Errc::exhausted, Side::internal, "no memory for a CA store");
    for (const auto& authority : authorities) X509_STORE_add_cert(store.get(), authority.get());
    ERR_clear_error();  // a certificate that is there twice
    // Who names a file means every certificate in it, an intermediate or a server's own too.
    if (partial_chain) X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
    return store;
}

namespace {

/// partial_chain  every certificate of the text is an authority, an intermediate and a server's own too.
Result<TlsTrustPtr> make_trust(std::string_view pem, const std::string& name, bool partial_chain, std::string* text) {
    const auto authorities = LOOM_TRY(parse_authorities(pem, name, text));
    TlsTrust::Digest digest;
    SHA256(reinterpret_cast<const uint8_t*>(pem.data()), pem.size(), digest.data());
    return std::make_shared<const TlsTrust>(LOOM_TRY(make_store(authorities, partial_chain)), digest);
}

}  // namespace

Result<std::string> read_tls_authorities(const std::string& path, std::string* text) {
    return read_file(path, trust_bytes_max, text);
}

Result<TlsTrustPtr> parse_tls_authorities(std::string_view pem, const std::string& name, std::string* text) {
    return make_trust(pem, name, true, text);
}

Result<TlsTrustPtr> load_tls_trust(const std::string& path, std::string* text) {
    std::string bundle = path;
    for (const char* candidate : system_bundles) {
        if (bundle.empty() && std::ifstream(candidate)) bundle = candidate;
    }
    if (bundle.empty()) {
        return bad(text, "this system has no CA bundle; remedy: install ca-certificates, or name a CA file",
                   "no CA bundle", Errc::not_found);
    }
    return make_trust(LOOM_TRY(read_tls_authorities(bundle, text)), bundle, !path.empty(), text);
}

Result<TlsCertificateFacts> inspect_tls_key_pair(const TlsKeyPair& pair, std::string* text) {
    const TlsCertificate certificate = LOOM_TRY(parse_key_pair(pair, nullptr, text));
    const auto chain = LOOM_TRY(parse_authorities(pair.certificate_pem, pair.name, text));
    TlsCertificateFacts facts{.subject = to_text(X509_get_subject_name(certificate.leaf.get())),
                              .issuer = to_text(X509_get_issuer_name(certificate.leaf.get()))};
    facts.begins_s = INT64_MIN;
    facts.ends_s = INT64_MAX;
    for (size_t i = 0; i < chain.size(); ++i) {
        facts.begins_s = std::max(facts.begins_s, seconds_of(X509_get0_notBefore(chain[i].get())));
        const int64_t ends_s = seconds_of(X509_get0_notAfter(chain[i].get()));
        if (ends_s < facts.ends_s) facts.ends_text = to_text(X509_get0_notAfter(chain[i].get()));
        facts.ends_s = std::min(facts.ends_s, ends_s);
        const bool follows =
            i + 1 == chain.size() || X509_check_issued(chain[i + 1].get(), chain[i].get()) == X509_V_OK;
        facts.chain_in_order = facts.chain_in_order && follows;
    }
    return facts;
}

std::string tls_key_path_beside(const std::string& certificate_path) {
    const size_t dot = certificate_path.rfind('.');
    const size_t slash = certificate_path.rfind('/');
    const bool extension = dot != std::string::npos && (slash == std::string::npos || dot > slash);
    return certificate_path.substr(0, extension ? dot : std::string::npos) + ".key";
}

Result<TlsKeyPair> read_tls_key_pair(const std::string& certificate_path, const std::string& key_path,
                                     std::string* text) {
    TlsKeyPair pair;
    pair.name = certificate_path;
    pair.certificate_pem = LOOM_TRY(read_file(certificate_path, file_bytes_max, text));
    if (key_path.empty() && pair.certificate_pem.find("PRIVATE KEY-----") != std::string::npos) {
        pair.key_pem = pair.certificate_pem;
        return pair;
    }
    pair.key_pem =
        LOOM_TRY(read_file(key_path.empty() ? tls_key_path_beside(certificate_path) : key_path, file_bytes_max, text));
    return pair;
}

}  // namespace loom::net
